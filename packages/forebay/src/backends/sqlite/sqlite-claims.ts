/**
 * The claims of one queue in this process. All that wait are asked for together and in their order; they are asked for
 * again when something may have changed: work was put in, a task falls due, another process wrote. Never in between.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { asForebayError } from '../../errors.ts'
import { ClaimLine } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import type { AskedFor, Granted } from './operations.ts'

type Ask = (requests: readonly AskedFor[]) => Promise<Granted>

export class SqliteClaims {
  readonly #clock: Clock
  readonly #line: ClaimLine
  readonly #ask: Ask
  #asking = false
  #askAgain = false
  #ended = false
  #cancelTimer: CancelTimer | undefined

  constructor(clock: Clock, ask: Ask) {
    this.#clock = clock
    this.#line = new ClaimLine(clock)
    this.#ask = ask
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#line.join(request, this, (waiter) => {
      waiter.begin()
      this.wake()
    })
  }

  /** There may be something to grant. */
  readonly wake = (): void => {
    if (this.#asking) this.#askAgain = true
    else void this.#askForAll()
  }

  /** Ends the waits; what the file is being asked for is still awaited, and nothing more is asked. */
  end(): void {
    this.#ended = true
    this.#line.end(this)
    this.#cancelTimer?.()
  }

  async #askForAll(): Promise<void> {
    this.#asking = true
    do {
      this.#askAgain = false
      await this.#askOnce()
    } while (this.#askAgain)
    this.#asking = false
  }

  async #askOnce(): Promise<void> {
    const waiters = [...this.#line]
    if (this.#ended) for (const waiter of waiters) waiter.finish([])
    if (this.#ended || waiters.length === 0) return
    for (const waiter of waiters) waiter.begin()
    try {
      const requests = waiters.map(({ request: { max, leaseMs, perKey } }) => ({
        max,
        leaseMs,
        ...(perKey && { perKey }),
      }))
      const { grants, nextDue } = await this.#ask(requests)
      waiters.forEach((waiter, index) => waiter.finish(grants[index] ?? []))
      this.#wakeAt(nextDue)
    } catch (thrown) {
      for (const waiter of waiters) waiter.fail(asForebayError(thrown))
    }
  }

  #wakeAt(due: number | undefined): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (due === undefined || this.#line.size === 0) return
    this.#cancelTimer = this.#clock.after(due - this.#clock.monotonic(), this.wake, { background: true })
  }
}
