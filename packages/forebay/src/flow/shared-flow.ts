/**
 * A shared flow: the limits of one flow as data, and the steps by which several processes use it. Units: ms by one clock,
 * starts or costs per second.
 *
 * Slots are handed out ahead of time, each once, so the sum over all processes keeps the laws of a single flow. `mark` counts
 * the changes: slots can be handed back only while nothing has changed since they were reserved.
 */

import { FlowLimits, type FlowSettings, type FlowState } from './flow-limits.ts'

export interface SharedFlow extends Partial<FlowState> {
  readonly mark: number
}

export interface ReserveStep extends FlowSettings {
  readonly kind: 'reserve'
  /** The costs of the tasks that wait, in their order; a number: so many tasks that cost 1 each. */
  readonly costs: number | readonly number[]
  /** What earlier starts turned out to cost beyond what was reserved for them. */
  readonly charge: number
  /** None sooner than this from now, ms: what the answer takes to arrive. */
  readonly leadMs: number
  /** None later than this from now, ms. */
  readonly horizonMs: number
}

export interface Reserved {
  /** The times of the slots, ascending. */
  readonly at: readonly number[]
  /** When the first start that nobody has reserved falls due; may be in the past. */
  readonly next: number
  readonly mark: number
}

/** Gives back the last slots of a reservation, those for tasks of these costs, if nothing has changed since. */
export interface HandBackStep {
  readonly kind: 'handBack'
  readonly mark: number
  readonly costs: number | readonly number[]
  readonly settings: FlowSettings
}

/** Nothing starts for `delayMs` from now in any process, except in slots that are reserved already; then the flow ramps up. */
export interface HoldStep {
  readonly kind: 'hold'
  readonly delayMs: number
}

export function reserve(flow: SharedFlow | undefined, step: ReserveStep, now: number): [SharedFlow, Reserved] {
  const limits = resumed(flow, step, now)
  if (step.charge > 0) limits.charge(step.charge, now)
  const at = limits.reserve(each(step.costs), now + step.leadMs, now + step.horizonMs)
  const mark = (flow?.mark ?? 0) + 1
  return [
    { ...limits.state, mark },
    { at, next: Math.max(limits.nextAt, now), mark },
  ]
}

/** Whether they were taken back. */
export function handBack(flow: SharedFlow | undefined, step: HandBackStep, now: number): [SharedFlow, boolean] {
  if (!flow || flow.mark !== step.mark) return [flow ?? { mark: 0 }, false]
  const limits = resumed(flow, step.settings, now)
  limits.giveBack(each(step.costs))
  return [{ ...limits.state, mark: flow.mark + 1 }, true]
}

export function hold(flow: SharedFlow | undefined, step: HoldStep, now: number): [SharedFlow, true] {
  const until = now + step.delayMs
  const pacers = flow?.pacers ?? [{ tat: now, rampBegan: now, lastMs: 0, intervalMs: 1_000, counts: 'tasks' as const }]
  const held = pacers.map((pacer) => (pacer.tat >= until ? pacer : { ...pacer, tat: until, rampBegan: until }))
  return [{ pacers: held, mark: (flow?.mark ?? 0) + 1 }, true]
}

function resumed(flow: SharedFlow | undefined, settings: FlowSettings, now: number): FlowLimits {
  const { pacers } = flow ?? {}
  return pacers ? FlowLimits.resume({ pacers }, settings, now) : new FlowLimits(settings)
}

function* each(costs: number | readonly number[]): Iterable<number> {
  if (typeof costs !== 'number') yield* costs
  else for (let count = 0; count < costs; count++) yield 1
}
