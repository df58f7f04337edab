/**
 * Asks for those who wait. Azure has no long poll and each question costs, so the pause between two questions that found
 * nothing doubles, from a tenth of a second to the longest; what was found, and what this process has put into the queue
 * itself, makes it ask at once.
 */

import { type Clock, sleep } from '../../clock.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import type { DueTimes } from './due-times.ts'

export interface PollerOptions {
  readonly clock: Clock
  readonly due: DueTimes
  readonly longestPauseMs: number
  readonly ask: (request: ClaimRequest) => Promise<Claim[]>
}

const FIRST_PAUSE_MS = 100

export class Poller {
  readonly #clock: Clock
  readonly #due: DueTimes
  readonly #longestPauseMs: number
  readonly #ask: (request: ClaimRequest) => Promise<Claim[]>
  readonly #line: ClaimLine
  #working: Promise<void> | undefined
  #pauseMs = 0
  #asleep: AbortController | undefined

  constructor({ clock, due, longestPauseMs, ask }: PollerOptions) {
    this.#clock = clock
    this.#due = due
    this.#longestPauseMs = longestPauseMs
    this.#ask = ask
    this.#line = new ClaimLine(clock)
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    if (request.waitMs <= 0 || request.signal?.aborted) return this.#ask(request)
    return this.#line.join(request, this, () => {
      this.#working ??= this.#work()
    })
  }

  /** There may be something now, or when the next one falls due. */
  wake(): void {
    this.#pauseMs = 0
    this.#asleep?.abort()
  }

  async end(): Promise<void> {
    this.#line.end(this)
    this.wake()
    await this.#working
  }

  async #work(): Promise<void> {
    await Promise.resolve()
    for (let [waiter] = this.#line; waiter; [waiter] = this.#line) {
      await this.#pause(waiter)
      const [first] = this.#line
      if (first) await this.#serve(first)
    }
    this.#working = undefined
  }

  async #serve(waiter: Waiter): Promise<void> {
    waiter.begin()
    try {
      const claims = await this.#ask(waiter.request)
      this.#pauseMs =
        claims.length > 0 ? 0 : Math.min(this.#longestPauseMs, Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs))
      waiter.finish(claims)
    } catch (thrown) {
      waiter.fail(thrown)
    }
  }

  /** Until it is time to ask again, something may be there, or nobody waits any more. */
  async #pause({ request }: Waiter): Promise<void> {
    const pauseMs = Math.min(this.#pauseMs, this.#due.nextMs ?? this.#pauseMs)
    if (pauseMs <= 0) return
    this.#asleep = new AbortController()
    const signals = request.signal ? [this.#asleep.signal, request.signal] : [this.#asleep.signal]
    // Who waits keeps the process alive; its end is seen when the pause is over.
    await sleep(this.#clock, Math.min(pauseMs, request.waitMs), AbortSignal.any(signals)).catch(() => {})
    this.#asleep = undefined
  }
}
