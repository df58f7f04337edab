/**
 * Several limits on one flow at once, such as 50 a second and 1,000 a minute, or 60 requests and 90,000 tokens a minute.
 *
 *     next start = max over all limits of their next start;   a start at t is taken from each, by what the limit counts
 *
 * Each limit is a pacer of its own (pacer.ts) and keeps its own law, so all of them hold together. Costs that are known
 * only afterwards are booked as a charge. Units: milliseconds of one clock; tasks or units of cost per second.
 */

import { Pacer, type PacerState } from './pacer.ts'

export interface FlowLimit {
  readonly perSecond: number
  /** How many of what it counts may go at once after a rest, beyond the first. */
  readonly burst: number
  /** Each start counts as one, or as what its task costs. */
  readonly counts: 'tasks' | 'cost'
}

/** At least one limit; one of Infinity where there is none. */
export interface FlowSettings {
  readonly limits: readonly FlowLimit[]
  /** How long the flow climbs after it stood still, ms; a limit with a burst does not. */
  readonly rampMs: number
}

/** A flow as data. */
export interface FlowState {
  readonly pacers: readonly (PacerState & { readonly counts: FlowLimit['counts'] })[]
}

/** How much a new cost weighs in the mean by which starts are foreseen. */
const COST_WEIGHT = 0.05

export class FlowLimits {
  #settings: FlowSettings
  #pacers: readonly Pacer[]
  /** Of the starts of late; undefined before the first. */
  #meanCost: number | undefined

  /** @throws ForebayError INVALID_OPTION for a rate that is not above 0. */
  constructor(settings: FlowSettings) {
    this.#settings = settings
    this.#pacers = settings.limits.map((limit) => new Pacer({ ...limit, rampMs: settings.rampMs }))
  }

  /** Goes on from where another of the same flow was; a limit that it did not have begins anew. */
  static resume(state: FlowState, settings: FlowSettings, now: number): FlowLimits {
    const flow = new FlowLimits(settings)
    const heldUntil = Math.max(...state.pacers.map(({ rampBegan }) => rampBegan))
    flow.#pacers = settings.limits.map((limit, index) => {
      const before = state.pacers[index]
      if (before?.counts === limit.counts) return Pacer.resume(before, { ...limit, rampMs: settings.rampMs }, now)
      return begunAnew(limit, settings.rampMs, heldUntil, now)
    })
    return flow
  }

  /** What `resume` needs; undefined before the first start. */
  get state(): FlowState | undefined {
    const pacers = this.#pacers.flatMap(({ state }, index) =>
      state ? [{ ...state, counts: (this.#settings.limits[index] as FlowLimit).counts }] : [],
    )
    return pacers.length === this.#pacers.length ? { pacers } : undefined
  }

  /** The earliest time of the next start; -Infinity if it may be at once. */
  get nextAt(): number {
    let nextAt = Number.NEGATIVE_INFINITY
    for (const pacer of this.#pacers) nextAt = Math.max(nextAt, pacer.nextAt)
    return nextAt
  }

  /** Records a start at `now`, which must not be before `nextAt`. */
  take(now: number, cost: number): void {
    this.#meanCost = this.#meanCost === undefined ? cost : this.#meanCost + COST_WEIGHT * (cost - this.#meanCost)
    this.#pacers.forEach((pacer, index) => pacer.take(now, this.#amount(index, cost)))
  }

  /**
   * Takes starts ahead of time for tasks of these costs, in their order, none later than `until`; returns their times. What is
   * planned ahead is not late, so there is nothing to make up for: the slots are whole intervals apart.
   */
  reserve(costs: Iterable<number>, now: number, until: number): number[] {
    const slots: number[] = []
    for (const cost of costs) {
      const slot = Math.max(now, this.nextAt)
      if (slot > until) break
      this.#pacers.forEach((pacer, index) => pacer.take(slot, this.#amount(index, cost), 0))
      slots.push(slot)
    }
    return slots
  }

  /**
   * Starts of these costs, the latest ones that were taken, will not happen. Never more comes back than was taken: where one
   * limit waited for another, the gap that it had left stays used.
   */
  giveBack(costs: Iterable<number>): void {
    for (const cost of costs) this.#pacers.forEach((pacer, index) => pacer.giveBack(this.#amount(index, cost)))
  }

  /** A start turned out to cost so much more than was taken for it. Only limits that count costs are charged. */
  charge(cost: number, now: number): void {
    this.#pacers.forEach((pacer, index) => {
      if (this.#settings.limits[index]?.counts === 'cost') pacer.charge(cost, now)
    })
  }

  /** How many starts fit until `until`, the next one included, if they cost what they did of late. */
  startsUntil(until: number, now: number): number {
    let starts = Number.POSITIVE_INFINITY
    this.#pacers.forEach((pacer, index) => {
      starts = Math.min(starts, pacer.startsUntil(until, now, this.#amount(index, this.#meanCost ?? 1)))
    })
    return starts
  }

  /** Nothing starts before `until`. */
  hold(until: number): void {
    for (const pacer of this.#pacers) pacer.hold(until)
  }

  /** The flow stood still by somebody's will: it ramps up from its next start. */
  rest(): void {
    for (const pacer of this.#pacers) pacer.rest()
  }

  /** Changes the limits without a jump or a stall; a limit that is new begins anew. */
  change(settings: FlowSettings, now: number): void {
    const before = this.#settings
    const heldUntil = Math.max(...this.#pacers.map((pacer) => pacer.heldUntil(now)))
    this.#pacers = settings.limits.map((limit, index) => {
      const pacer = before.limits[index]?.counts === limit.counts ? this.#pacers[index] : undefined
      if (!pacer) return begunAnew(limit, settings.rampMs, heldUntil, now)
      pacer.change({ ...limit, rampMs: settings.rampMs }, now)
      return pacer
    })
    this.#settings = settings
  }

  #amount(index: number, cost: number): number {
    return this.#settings.limits[index]?.counts === 'cost' ? cost : 1
  }
}

/** How many starts a second the limits that count starts allow; Infinity if none does. */
export function startsPerSecond(limits: readonly FlowLimit[]): number {
  const rates = limits.map(({ counts, perSecond }) => (counts === 'tasks' ? perSecond : Number.POSITIVE_INFINITY))
  return Math.min(...rates, Number.POSITIVE_INFINITY)
}

/** How many starts of so much cost fit into `ms`, the one at its begin included, without a burst. */
export function startsWithin({ limits }: FlowSettings, ms: number, cost: number): number {
  const perSecond = limits.map((limit) => limit.perSecond / (limit.counts === 'cost' ? cost : 1))
  return ms < 0 ? 0 : Math.floor((ms * Math.min(...perSecond)) / 1_000) + 1
}

/** A hold is the whole flow's: a limit that is new keeps it too. */
function begunAnew(limit: FlowLimit, rampMs: number, heldUntil: number, now: number): Pacer {
  const pacer = new Pacer({ ...limit, rampMs })
  if (heldUntil > now) pacer.hold(heldUntil)
  return pacer
}
