/**
 * Tells the other processes that there may be work in a queue. Not within the transaction that put it there: commits that notify
 * wait for each other on the whole server, each for the other's sync. So it is told afterwards, on its own, and what happens in
 * quick succession is told once. If that is lost, who waits finds the work when it looks by itself.
 */

import { type Clock, sleep } from '../../clock.ts'

/** After an announcement the next one comes this much later at the earliest. */
const SPACING_MS = 5

export class Announcer {
  readonly #clock: Clock
  readonly #send: (low: number) => Promise<unknown>
  #low: number | undefined
  #working: Promise<void> | undefined

  /** @param send Tells the least rank of what became ready; Infinity if nothing did yet. */
  constructor(clock: Clock, send: (low: number) => Promise<unknown>) {
    this.#clock = clock
    this.#send = send
  }

  announce(low: number): void {
    this.#low = Math.min(this.#low ?? Number.POSITIVE_INFINITY, low)
    this.#working ??= this.#work()
  }

  /** Resolves when all is told. */
  async done(): Promise<void> {
    await this.#working
  }

  async #work(): Promise<void> {
    while (this.#low !== undefined) {
      const low = this.#low
      this.#low = undefined
      await this.#send(low).catch(() => {})
      await sleep(this.#clock, SPACING_MS)
    }
    this.#working = undefined
  }
}
