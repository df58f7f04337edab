/**
 * The claims of one queue in this process. All that wait are asked for together, in their order and in one script; they are
 * asked for again when there is a word that something may have changed, when the next task falls due, and at least every
 * `PARK_MS`, should a word have been lost with the process or connection that got it.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { asForebayError } from '../../errors.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'

export const PARK_MS = 2_000

/** Parked claims ask again within this; the engine is told a little more, as an answer takes its time. */
export const PARK_MARGIN_MS = 500

export interface Granted {
  /** For each request, in order. */
  readonly grants: readonly Claim[][]
  /** When the next task falls due, ms from now. */
  readonly nextDueInMs: number | undefined
}

export interface ClaimEngine {
  /** @param parks Whether those that get nothing will wait. */
  ask(requests: readonly ClaimRequest[], parks: boolean): Promise<Granted>
  /** Waits for a word, once; `RedisClaims.hear` is called when it ends. */
  listen(): void
  /** Tells another process instead of us. */
  passOn(): void
}

export class RedisClaims {
  readonly #clock: Clock
  readonly #line: ClaimLine
  readonly #engine: ClaimEngine
  #asking = false
  #askAgain = false
  /** Whether a word has come that no ask has followed yet. */
  #told = false
  #ended = false
  #cancelTimer: CancelTimer | undefined

  constructor(clock: Clock, engine: ClaimEngine) {
    this.#clock = clock
    this.#line = new ClaimLine(clock)
    this.#engine = engine
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#line.join(request, this, (waiter) => {
      waiter.begin()
      this.#wake()
    })
  }

  /** A read of the engine's words has ended, with one or without. */
  hear(told: boolean): void {
    if (this.#ended) return
    this.#told ||= told
    this.#wake()
  }

  /** Ends the waits; what the engine is being asked for is still awaited, and nothing more is asked. */
  end(): void {
    this.#ended = true
    this.#line.end(this)
    this.#cancelTimer?.()
  }

  readonly #wake = (): void => {
    if (this.#asking) this.#askAgain = true
    else void this.#askForAll()
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
    const told = this.#told
    this.#told = false
    // The word is one process's: if nobody waits here any more, another one must have it.
    if (told && waiters.length === 0 && !this.#ended) this.#engine.passOn()
    if (this.#ended || waiters.length === 0) return
    for (const waiter of waiters) waiter.begin()
    try {
      const requests = waiters.map(({ request }) => request)
      const { grants, nextDueInMs } = await this.#engine.ask(requests, requests.some(waits))
      waiters.forEach((waiter, index) => waiter.finish(grants[index] ?? []))
      this.#park(nextDueInMs)
    } catch (thrown) {
      for (const waiter of waiters) waiter.fail(asForebayError(thrown))
    }
  }

  #park(nextDueInMs: number | undefined): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#line.size === 0 || this.#ended) return
    this.#engine.listen()
    if (nextDueInMs === undefined) return
    this.#cancelTimer = this.#clock.after(nextDueInMs, this.#wake, { background: true })
  }
}

function waits({ waitMs, signal }: Waiter['request']): boolean {
  return waitMs > 0 && !signal?.aborted
}
