/** A progress line on a terminal; where there is none, a line in the log every few seconds. On stderr, never on stdout. */

import type { Clock } from '../clock.ts'

interface Out {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const REDRAW_MS = 100
const LOG_MS = 10_000
const BAR_CHARS = 24

export class ProgressLine {
  readonly #clock: Clock
  readonly #out: Out
  #shownAt: number

  constructor(clock: Clock, out: Out) {
    this.#clock = clock
    this.#out = out
    // The log begins when there is something to wait for.
    this.#shownAt = out.isTTY ? Number.NEGATIVE_INFINITY : clock.monotonic()
  }

  /** Shows it, unless it was shown a moment ago. @param share Of the whole that is done, 0 to 1. */
  show(share: number, text: string): void {
    const now = this.#clock.monotonic()
    if (now - this.#shownAt < (this.#out.isTTY ? REDRAW_MS : LOG_MS)) return
    this.#shownAt = now
    if (!this.#out.isTTY) this.#out.write(`${text}\n`)
    else {
      const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_CHARS)
      this.#out.write(`\r\u001b[2K${'━'.repeat(full)}${'╌'.repeat(BAR_CHARS - full)} ${text}`.slice(0, 90))
    }
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write('\r\u001b[2K')
  }
}
