/**
 * Messages that this process has hidden until they are due again: SQS counts them among those in flight, and does not tell
 * afterwards when they became ready.
 */

import type { Clock } from '../../clock.ts'

const PRUNE_FROM = 1_000

export class PutBack {
  readonly #clock: Clock
  /** By message id: when it is due, by the monotonic clock. */
  readonly #due = new Map<string, number>()
  #pruneAt = PRUNE_FROM

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(messageId: string, delayMs: number): void {
    this.#due.set(messageId, this.#clock.monotonic() + delayMs)
    if (this.#due.size < this.#pruneAt) return
    // Somebody else may have them by now.
    const now = this.#clock.monotonic()
    for (const [id, due] of this.#due) if (due <= now) this.#due.delete(id)
    this.#pruneAt = Math.max(PRUNE_FROM, 2 * this.#due.size)
  }

  /** How long it has been ready, if it was put back here; forgets it. */
  waitedMs(messageId: string): number | undefined {
    const due = this.#due.get(messageId)
    this.#due.delete(messageId)
    return due === undefined ? undefined : Math.max(0, this.#clock.monotonic() - due)
  }

  /** How many are not due yet. */
  get waiting(): number {
    const now = this.#clock.monotonic()
    let count = 0
    for (const due of this.#due.values()) if (due > now) count++
    return count
  }
}
