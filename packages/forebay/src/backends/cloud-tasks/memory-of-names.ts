/** What this process remembers of tasks by their names, so that it is not surprised: a bounded number of each. */

import type { Clock } from '../../clock.ts'

/** So long it is remembered that a task was answered, in case the answer was lost and it is delivered again. */
const ANSWERED_MS = 600_000
/** So long after its time, or after the last arrival, a task that was made here is still believed to be on its way. */
const ON_ITS_WAY_MS = 2_000
const MOST = 10_000

export class MemoryOfNames {
  readonly #clock: Clock
  /** When it was answered for good. */
  readonly #answered = new Map<string, number>()
  /** When it is due. */
  readonly #expected = new Map<string, number>()
  #lastArrivalAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** It was answered for good. */
  answered(name: string): void {
    put(this.#answered, name, this.#clock.monotonic())
  }

  wasAnswered(name: string): boolean {
    const at = this.#answered.get(name)
    return at !== undefined && this.#clock.monotonic() < at + ANSWERED_MS
  }

  /** This process has made it, and it is due after so long. */
  expect(name: string, delayMs: number): void {
    if (!this.wasAnswered(name)) put(this.#expected, name, this.#clock.monotonic() + delayMs)
  }

  expects(name: string): boolean {
    return this.#expected.has(name)
  }

  arrived(name: string): void {
    this.#expected.delete(name)
    this.#lastArrivalAt = this.#clock.monotonic()
  }

  /** How long something that is due may still be on its way; 0 if nothing is. */
  get onItsWayMs(): number {
    const now = this.#clock.monotonic()
    let longest = 0
    for (const [name, dueAt] of this.#expected) {
      const overMs = Math.max(dueAt, this.#lastArrivalAt) + ON_ITS_WAY_MS - now
      // Another process has got it, or the queue is paused or behind.
      if (overMs <= 0) this.#expected.delete(name)
      else if (dueAt <= now) longest = Math.max(longest, overMs)
    }
    return longest
  }
}

function put(names: Map<string, number>, name: string, at: number): void {
  names.delete(name)
  names.set(name, at)
  if (names.size > MOST) names.delete(names.keys().next().value as string)
}
