/** Permits: what the consumer's loop asks before each start. From a pacer of its own, or from a rate that all processes share. */

import { Pacer, type PacerSettings } from '../flow/pacer.ts'

export interface Permits {
  /** Tasks are claimed this long before their permits fall due, ms. */
  readonly prefetchMs: number
  /** When the next start may be; -Infinity: at once, Infinity: not known yet. */
  readonly nextAt: number
  /** When the next start is expected: the same, or an estimate while it is not known. */
  readonly expectedAt: number
  /** When a task that waits for its permit should look again; Infinity if `onChange` will tell. */
  wakeAt(now: number): number
  /** Uses the permit of `nextAt`, which has come. */
  take(now: number): void
  /** How many starts are expected until then, the next one included. */
  startsUntil(until: number, now: number): number
  /** So many claimed tasks wait for their permits. */
  provide(waiting: number, now: number): void
  /** Nothing starts before `until`. */
  hold(until: number, now: number): void
  /** The consumer stood still by somebody's will. */
  rest(): void
  /** What was provided and not used is not needed now. */
  letGo(): void
  change(settings: PacerSettings, now: number): void
}

/** Longer than a claim takes, far shorter than any lease. */
const PREFETCH_MS = 100

/** The rate of this consumer alone. */
export class OwnPermits implements Permits {
  readonly prefetchMs = PREFETCH_MS
  readonly #pacer: Pacer

  constructor(settings: PacerSettings) {
    this.#pacer = new Pacer(settings)
  }

  get nextAt(): number {
    return this.#pacer.nextAt
  }

  get expectedAt(): number {
    return this.#pacer.nextAt
  }

  wakeAt(): number {
    return this.#pacer.nextAt
  }

  take(now: number): void {
    this.#pacer.take(now)
  }

  startsUntil(until: number, now: number): number {
    return this.#pacer.startsUntil(until, now)
  }

  provide(): void {}

  hold(until: number): void {
    this.#pacer.hold(until)
  }

  rest(): void {
    this.#pacer.rest()
  }

  letGo(): void {}

  change(settings: PacerSettings, now: number): void {
    this.#pacer.change(settings, now)
  }
}
