/**
 * Busy polling: while an answer is on its way that usually comes within a fraction of a millisecond, the event loop does not sleep. A
 * thread that sleeps is woken late, and finds its processor's caches cold: of such an answer that is half of the time, and costs
 * about as much processor time as to stay awake.
 *
 * It is bounded: only where answers usually come that soon, for no longer than that each, and never on a single processor, which
 * the server would need meanwhile.
 */

import { availableParallelism } from 'node:os'
import type { Clock } from '../clock.ts'

/** So long is an answer waited for awake: a server on the same machine is within it, one behind a network hardly. */
const LONGEST_MS = 0.25

/** An answer counts for so much of what is usual, and one that is very late for no more than so many times the longest. */
const SMOOTHING = 1 / 8
const LATEST = 4

export interface BusyPollOptions {
  readonly clock: Clock
  /** Default: of the machine. */
  readonly processors?: number
  /** Calls back in the next turn of the event loop, which does not sleep before it. Default `setImmediate`. */
  readonly nextTurn?: (callback: () => void) => void
}

export class BusyPoll {
  readonly #clock: Clock
  readonly #nextTurn: (callback: () => void) => void
  readonly #isOff: boolean
  #usualMs = Number.POSITIVE_INFINITY
  #awaited = 0
  #awakeUntil = Number.NEGATIVE_INFINITY
  #isAwake = false

  constructor({ clock, processors = availableParallelism(), nextTurn = setImmediate }: BusyPollOptions) {
    this.#clock = clock
    this.#nextTurn = nextTurn
    this.#isOff = processors < 2
  }

  /** Asks, and waits for the answer. */
  async answerOf<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    if (this.#isOff) return ask()
    const began = this.#clock.monotonic()
    this.#awaited++
    this.#awakeUntil = began + LONGEST_MS
    if (this.#usualMs <= LONGEST_MS && !this.#isAwake) {
      this.#isAwake = true
      this.#nextTurn(this.#stayAwake)
    }
    try {
      return await ask()
    } finally {
      this.#awaited--
      this.#learn(this.#clock.monotonic() - began)
    }
  }

  readonly #stayAwake = (): void => {
    this.#isAwake = this.#awaited > 0 && this.#clock.monotonic() < this.#awakeUntil
    if (this.#isAwake) this.#nextTurn(this.#stayAwake)
  }

  #learn(tookMs: number): void {
    const seen = Math.min(tookMs, LATEST * LONGEST_MS)
    this.#usualMs =
      this.#usualMs === Number.POSITIVE_INFINITY ? seen : this.#usualMs + SMOOTHING * (seen - this.#usualMs)
  }
}
