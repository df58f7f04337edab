/** Permits: what the consumer's loop asks before each start. From a pacer of its own, or from a rate that all processes share. */

import { FlowLimits, type FlowSettings } from '../flow/flow-limits.ts'

export interface Permits {
  /** Tasks are claimed this long before their permits fall due, ms. */
  readonly prefetchMs: number
  /** When the next start may be; -Infinity: at once, Infinity: not known yet. */
  readonly nextAt: number
  /** When the next start is expected: the same, or an estimate while it is not known. */
  readonly expectedAt: number
  /** When a task that waits for its permit should look again; Infinity if `onChange` will tell. */
  wakeAt(now: number): number
  /** Uses the permit of `nextAt`, which has come, for a task of this cost. */
  take(now: number, cost: number): void
  /** A task that has started cost so much more than was taken for it. */
  charge(cost: number, now: number): void
  /** How many starts are expected until then, the next one included. */
  startsUntil(until: number, now: number): number
  /** So many attempts wait for their permits. @param costs What they cost, from the one with this number on. */
  provide(waiting: number, costs: (from: number) => readonly number[], now: number): void
  /** Nothing starts before `until`. */
  hold(until: number, now: number): void
  /** The consumer stood still by somebody's will. */
  rest(): void
  /** What was provided and not used is not needed now. */
  letGo(): void
  change(settings: FlowSettings, now: number): void
}

/** Longer than a claim takes, far shorter than any lease. */
const PREFETCH_MS = 100

export function isUnlimited({ limits }: FlowSettings): boolean {
  return limits.every(({ perSecond }) => perSecond === Number.POSITIVE_INFINITY)
}

/** The rate of this consumer alone. */
export class OwnPermits implements Permits {
  readonly prefetchMs = PREFETCH_MS
  readonly #flow: FlowLimits

  constructor(settings: FlowSettings) {
    this.#flow = new FlowLimits(settings)
  }

  get nextAt(): number {
    return this.#flow.nextAt
  }

  get expectedAt(): number {
    return this.#flow.nextAt
  }

  wakeAt(): number {
    return this.#flow.nextAt
  }

  take(now: number, cost: number): void {
    this.#flow.take(now, cost)
  }

  charge(cost: number, now: number): void {
    this.#flow.charge(cost, now)
  }

  startsUntil(until: number, now: number): number {
    return this.#flow.startsUntil(until, now)
  }

  provide(): void {}

  hold(until: number): void {
    this.#flow.hold(until)
  }

  rest(): void {
    this.#flow.rest()
  }

  letGo(): void {}

  change(settings: FlowSettings, now: number): void {
    this.#flow.change(settings, now)
  }
}
