/**
 * How many attempts began of late, a second: over the last ten whole seconds, so that the figure neither jumps with each start nor
 * remembers an idle hour.
 */

import type { Clock } from '../clock.ts'

const WINDOW_SECONDS = 10

export class StartMeter {
  readonly #clock: Clock
  readonly #began: number
  /** One count a second, of this second and those before it; the second's number tells old ones. */
  readonly #counts = new Array<number>(WINDOW_SECONDS + 1).fill(0)
  readonly #seconds = new Array<number>(WINDOW_SECONDS + 1).fill(Number.NEGATIVE_INFINITY)

  constructor(clock: Clock) {
    this.#clock = clock
    this.#began = clock.monotonic()
  }

  note(): void {
    const second = Math.floor(this.#clock.monotonic() / 1_000)
    const at = second % this.#counts.length
    if (this.#seconds[at] !== second) {
      this.#seconds[at] = second
      this.#counts[at] = 0
    }
    this.#counts[at] = (this.#counts[at] as number) + 1
  }

  perSecond(now: number): number {
    const present = Math.floor(now / 1_000)
    let starts = 0
    for (const [at, second] of this.#seconds.entries()) {
      if (second < present && second >= present - WINDOW_SECONDS) starts += this.#counts[at] as number
    }
    return starts / Math.min(WINDOW_SECONDS, Math.max(1, (now - this.#began) / 1_000))
  }
}
