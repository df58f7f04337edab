/**
 * A key's own limits: how many of its tasks are in flight at once, and how far apart they are granted.
 *
 *     open at t          iff  in flight < limit  and  t >= TAT         where there is no rate TAT does not count
 *     after a grant at t      TAT = (t <= TAT + tau ? TAT : t) + 1 / r  GCRA without burst, see pacer.ts: who asks late by up to
 *                                                                      tau, as timers do, loses nothing of the rate
 *     when limits change      TAT = min(TAT, t + 1 / r)                nobody waits longer than the new interval
 *
 *     Law, for every window W:  grants(W) <= 1 + floor(r (W + tau))    while r stands
 *
 * Regimes: open; waiting (for TAT, a time that is known); saturated (until one in flight is over, which nobody knows). Units:
 * milliseconds by one clock that does not go back; r a second.
 */

import { TOLERANCE_MS } from './pacer.ts'

export interface KeySettings {
  readonly concurrency?: number
  readonly perSecond?: number
}

export interface KeyUse {
  readonly inFlight: number
  /** The time of the next grant; 0 before the first. */
  readonly nextAt: number
}

/** When it may be granted something: a time that is not later than `now` means at once, Infinity that something must end first. */
export function opensAt({ inFlight, nextAt }: KeyUse, { concurrency, perSecond }: KeySettings): number {
  if (concurrency !== undefined && inFlight >= concurrency) return Number.POSITIVE_INFINITY
  return perSecond === undefined ? 0 : nextAt
}

/** `nextAt` after a grant at `now`. */
export function nextAfterGrant(nextAt: number, { perSecond }: KeySettings, now: number): number {
  if (perSecond === undefined) return nextAt
  return (now <= nextAt + TOLERANCE_MS ? nextAt : now) + 1_000 / perSecond
}

/** `nextAt` under settings that are new at `now`. */
export function nextAfterChange(nextAt: number, { perSecond }: KeySettings, now: number): number {
  return perSecond === undefined ? nextAt : Math.min(nextAt, now + 1_000 / perSecond)
}

export function sameSettings(a: KeySettings, b: KeySettings): boolean {
  return a.concurrency === b.concurrency && a.perSecond === b.perSecond
}
