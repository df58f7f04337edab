/**
 * The rate of starts lately, where a flow may have grown by orders of magnitude: over the later half of them, to three quarters.
 *
 *     marks at the 1st, 2nd, 4th, 8th ... start, the last two are kept;   rate = starts since the older mark / time since it
 *
 * A mean over all would say of a flow that doubles each second a quarter of what it is. Units: ms, starts per second.
 */

interface Mark {
  readonly starts: number
  readonly at: number
}

export class StartRate {
  #starts = 0
  #older: Mark | undefined
  #newer: Mark | undefined

  started(at: number): void {
    this.#starts++
    if (this.#newer && this.#starts < 2 * this.#newer.starts) return
    this.#older = this.#newer
    this.#newer = { starts: this.#starts, at }
  }

  /** Of one start at least, and over a millisecond at least: never 0, never Infinity. */
  perSecond(now: number): number {
    const mark = this.#older ?? this.#newer
    if (!mark) return 1
    return ((this.#starts - mark.starts + 1) * 1_000) / Math.max(1, now - mark.at)
  }
}
