/**
 * How the fragile service behaves under load: a few workers, one line in front of them, and no manners.
 *
 * - `WORKERS` work at once, each request takes `SERVICE_MS` (give or take `JITTER`), so it serves
 *   WORKERS / SERVICE_MS = 50 requests a second, and no more.
 * - What exceeds that stands in one line, first come, first served. Nobody is turned away early, so the wait of everybody
 *   grows with the line.
 * - It does not notice when a client has given up: the work is done all the same, for nobody. That is what turns an
 *   overload into a collapse: once the line is longer than the clients' patience, every answer comes too late.
 * - The line is bounded by its memory: beyond `LONGEST_LINE` a request fails at once.
 *
 * Nothing in it knows who is calling: the same service meets both halves of the demo.
 */

import type { Clock } from '../packages/forebay/src/clock.ts'
import type { RandomSource } from '../packages/forebay/src/random.ts'

export const WORKERS = 5
export const SERVICE_MS = 100
/** Service times are evenly distributed within this share of `SERVICE_MS`, up and down. */
export const JITTER = 0.2
export const LONGEST_LINE = 500

/** Requests per second that it can serve. */
export const CAPACITY = (WORKERS * 1_000) / SERVICE_MS

interface Worker {
  /** When it is done with what it has, by the clock's `monotonic()`. */
  freeAt: number
}

export class FragileLine {
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #workers: readonly Worker[] = Array.from({ length: WORKERS }, () => ({ freeAt: 0 }))
  #inside = 0

  constructor(clock: Clock, random: RandomSource) {
    this.#clock = clock
    this.#random = random
  }

  /** Requests in line and in service. */
  get inside(): number {
    return this.#inside
  }

  /** Takes a request and calls `done` when it has been served. @returns false if it fails at once. */
  take(done: () => void): boolean {
    if (this.#inside >= LONGEST_LINE + WORKERS) return false
    const now = this.#clock.monotonic()
    // First come, first served: the next in line goes to the worker that is free first.
    const worker = this.#workers.reduce((first, other) => (other.freeAt < first.freeAt ? other : first))
    const serviceMs = SERVICE_MS * (1 + JITTER * (2 * this.#random.next() - 1))
    worker.freeAt = Math.max(now, worker.freeAt) + serviceMs
    this.#inside += 1
    this.#clock.after(worker.freeAt - now, () => {
      this.#inside -= 1
      done()
    })
    return true
  }
}
