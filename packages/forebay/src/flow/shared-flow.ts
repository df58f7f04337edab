/**
 * A shared flow: one pacer as data, and the steps by which several processes use it. An engine keeps the data and runs a
 * step atomically; the algorithm is the pacer's. Units: ms by the engine's clock, starts per second.
 */

import { Pacer, type PacerSettings, type PacerState } from './pacer.ts'

export interface Reservation {
  readonly state: PacerState | undefined
  readonly at: readonly number[]
  readonly next: number
}

export function reserveSlots(
  state: PacerState | undefined,
  settings: PacerSettings,
  want: number,
  now: number,
  { leadMs, horizonMs }: { readonly leadMs: number; readonly horizonMs: number },
): Reservation {
  const pacer = state ? Pacer.resume(state, settings, now) : new Pacer(settings)
  const at = pacer.reserve(want, now + leadMs, now + horizonMs)
  return { state: pacer.state, at, next: Math.max(pacer.nextAt, now) }
}

/** Slots from `first` on go back, if the reservation that ended at `next` was the last. */
export function handBackSlots(state: PacerState | undefined, first: number, next: number): PacerState | undefined {
  return state?.tat === next ? { ...state, tat: first } : state
}

/** Nothing new before `until`. A flow that never began has no rate to remember yet: any will do, the next wish sets it. */
export function holdFlow(state: PacerState | undefined, until: number): PacerState {
  if (state && state.tat >= until) return state
  return { tat: until, rampBegan: until, perSecond: state?.perSecond ?? 1 }
}
