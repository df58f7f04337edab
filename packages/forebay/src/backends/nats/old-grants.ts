/**
 * Grants whose versions are gone. Each is kept a while longer: a delivery of the version may still be on its way to somebody,
 * who would grant it if no grant were there. A delivery is taken only within `FRESH_MS` of the call that it answers, which is
 * less than the grant is kept after the version's end; so none is granted after it.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import { inWindows } from './windows.ts'

export const FRESH_MS = 20_000
const KEPT_MS = 30_000

/** They are forgotten together, so often. */
const SWEEP_EVERY_MS = 2_000

/** More than this are left to the age that the stream has for all marks. */
const MOST = 200_000

export class OldGrants {
  readonly #clock: Clock
  readonly #forget: (sequence: number) => Promise<void>
  /** In the order of their times. */
  #grants: { readonly sequence: number; readonly at: number }[] = []
  #cancelTimer: CancelTimer | undefined

  constructor(clock: Clock, forget: (sequence: number) => Promise<void>) {
    this.#clock = clock
    this.#forget = forget
  }

  add(sequence: number): void {
    if (this.#grants.length >= MOST) return
    this.#grants.push({ sequence, at: this.#clock.monotonic() + KEPT_MS })
    this.#cancelTimer ??= this.#clock.after(KEPT_MS, () => void this.#sweep(), { background: true })
  }

  /** Those that are left go by their age. */
  close(): void {
    this.#cancelTimer?.()
    this.#grants = []
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.monotonic()
    const young = this.#grants.findIndex(({ at }) => at > now)
    const old = this.#grants.splice(0, young < 0 ? this.#grants.length : young)
    const size = () => 1
    // What can't be forgotten now is left to its age.
    await inWindows(old, size, ({ sequence }) => this.#forget(sequence).catch(() => undefined))
    this.#cancelTimer = undefined
    if (this.#grants.length === 0) return
    this.#cancelTimer = this.#clock.after(SWEEP_EVERY_MS, () => void this.#sweep(), { background: true })
  }
}
