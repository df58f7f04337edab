/**
 * One timer for a time that keeps moving: to set and cancel one at each move costs more than what it is for. A time that moves away
 * leaves the timer as it is; it then rings early, once, and is set anew.
 */

import type { CancelTimer, Clock } from '../clock.ts'

export class Alarm {
  readonly #clock: Clock
  readonly #onRing: () => void
  #at = Number.POSITIVE_INFINITY
  #cancel: CancelTimer | undefined

  /** @param onRing The time may have come; what is to come next is to be set again. */
  constructor(clock: Clock, onRing: () => void) {
    this.#clock = clock
    this.#onRing = onRing
  }

  /** Rings at this time at the latest, by the monotonic clock; Infinity: not at all. */
  set(at: number, now: number): void {
    if (this.#cancel && this.#at <= at && at < Number.POSITIVE_INFINITY) return
    this.cancel()
    if (at === Number.POSITIVE_INFINITY) return
    this.#at = at
    this.#cancel = this.#clock.after(at - now, () => {
      this.#cancel = undefined
      this.#onRing()
    })
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
