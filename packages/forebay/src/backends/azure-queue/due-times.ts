/** When tasks fall due that this process has put into the queue: then it looks at once, and does not wait for its next poll. */

import type { Clock } from '../../clock.ts'

/** Of more of them it knows only the first ones. */
const MOST = 10_000

export class DueTimes {
  readonly #clock: Clock
  /** By the monotonic clock, the latest first. */
  #times: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Azure counts whole seconds. */
  add(delayMs: number): void {
    const due = this.#clock.monotonic() + Math.ceil(delayMs / 1_000) * 1_000
    let low = 0
    for (let high = this.#times.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((this.#times[middle] as number) > due) low = middle + 1
      else high = middle
    }
    this.#times.splice(low, 0, due)
    if (this.#times.length > MOST) this.#times.shift()
  }

  /** How many are not due yet. */
  get waiting(): number {
    this.#forget()
    return this.#times.length
  }

  /** How long until the next one is due, milliseconds; undefined if none is known. */
  get nextMs(): number | undefined {
    this.#forget()
    const next = this.#times.at(-1)
    return next === undefined ? undefined : next - this.#clock.monotonic()
  }

  #forget(): void {
    const now = this.#clock.monotonic()
    while (this.#times.length > 0 && (this.#times.at(-1) as number) <= now) this.#times.pop()
  }
}
