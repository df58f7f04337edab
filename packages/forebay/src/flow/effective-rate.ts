/**
 * The effective rate: what a flow can do now, and what bounds it.
 *
 *     0                                                                while it is paused, its breaker is open, or it is held
 *     min( rate, quota, limit / latency )   starts per second          otherwise
 *
 * limit / latency is Little's law: so many attempts at once, each for so long, start so often. Where nothing is known yet (no
 * attempt has ended, no rate is set) the flow is taken to be unbounded. Of bounds that are equal the first one named wins.
 * Units: starts per second; ms.
 */

import { type FlowLimit, startsPerSecond } from './flow-limits.ts'

/** What bounds a flow, in the order in which they are looked at. */
export type FlowBound = 'paused' | 'breaker' | 'hold' | 'rate' | 'quota' | 'concurrency'

export interface EffectiveRate {
  /** Starts per second; Infinity: nothing is known to bound it. */
  readonly perSecond: number
  readonly boundBy: FlowBound
}

export interface FlowNow {
  /** Somebody wants no starts. */
  readonly isPaused: boolean
  /** The circuit breaker lets nothing start, or nothing but its probes. */
  readonly isBroken: boolean
  /** The downstream asked for quiet, which is not over. */
  readonly isHeld: boolean
  /** The configured limits on the rate. Of those that count costs it is not known what they allow in starts: they are left out. */
  readonly limits: readonly FlowLimit[]
  /** The pace that was found under a quota; Infinity: none. */
  readonly pacePerSecond: number
  /** How many attempts may run at once. */
  readonly limit: number
  /** How long attempts take; undefined before the first has ended. */
  readonly latencyMs: number | undefined
}

export function effectiveRate(state: FlowNow): EffectiveRate {
  if (state.isPaused) return { perSecond: 0, boundBy: 'paused' }
  if (state.isBroken) return { perSecond: 0, boundBy: 'breaker' }
  if (state.isHeld) return { perSecond: 0, boundBy: 'hold' }
  const { limits, pacePerSecond, limit, latencyMs } = state
  const perSecond = startsPerSecond(limits)
  // A clock may not have moved during an attempt.
  const byLimit = latencyMs === undefined || latencyMs <= 0 ? Number.POSITIVE_INFINITY : (limit * 1_000) / latencyMs
  if (perSecond <= pacePerSecond && perSecond <= byLimit) return { perSecond, boundBy: 'rate' }
  if (pacePerSecond <= byLimit) return { perSecond: pacePerSecond, boundBy: 'quota' }
  return { perSecond: byLimit, boundBy: 'concurrency' }
}
