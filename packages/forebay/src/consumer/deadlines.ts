/** The time limits of all attempts that run, on one timer: most attempts end long before theirs. */

import type { Clock } from '../clock.ts'
import { Alarm } from './alarm.ts'

interface Deadline {
  readonly at: number
  readonly onLate: () => void
}

export class Deadlines {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #pending = new Set<Deadline>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#alarm = new Alarm(clock, () => this.#ring())
  }

  /** Calls `onLate` in `ms`; returns what lifts the limit. */
  limit(ms: number, onLate: () => void): () => void {
    const now = this.#clock.monotonic()
    const deadline = { at: now + ms, onLate }
    this.#pending.add(deadline)
    this.#alarm.set(deadline.at, now)
    return () => this.#pending.delete(deadline)
  }

  /** Nothing runs any more. */
  rest(): void {
    if (this.#pending.size === 0) this.#alarm.cancel()
  }

  #ring(): void {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const deadline of this.#pending) {
      if (deadline.at > now) {
        next = Math.min(next, deadline.at)
        continue
      }
      this.#pending.delete(deadline)
      deadline.onLate()
    }
    this.#alarm.set(next, now)
  }
}
