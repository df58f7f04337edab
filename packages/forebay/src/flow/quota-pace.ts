/**
 * The pace under a quota that nobody told us: learned from refusals (429, 503 with Retry-After).
 *
 *     shut      from a refusal until an attempt that started later is accepted. Nothing starts before Retry-After is over; where
 *               none was told, single attempts try, each when it has been shut 1.2 x as long as at the try before
 *     cycle     from one opening to the next;   A = accepted in it / its length,   P = the pace that was refused
 *     pace      at each opening   sqrt(0.97 A x 0.93 max(A, P)),   for a third of the last cycle;   then it grows to the ceiling
 *     ceiling   at first          0.97 P
 *               refused above it  ceiling x max(1, 0.97 sqrt(P / ceiling));  near it (P < 1.25 ceiling) is a confirmation
 *               refused below it  0.97 P;  and below 0.9 of it all confirmations are void
 *     test      beyond the ceiling, 5 s or 8 quiets after the opening, doubled by each confirmation, at most 120 s
 *     growth    1 + 0.01 d + 0.002 d^2,   d in units of a quarter of how long it was shut, 1 to 10 s
 *     forgotten when of 64 starts hardly one had to wait for its pace
 *
 * Why: a cycle begins and ends with an open quota, so in it the quota has granted what it refilled, or less where it overflowed
 * while it was shut: A is the least that the quota can be, P, which was refused, the most. Their geometric mean halves
 * the distance in proportion, from both sides. A quota of so many a minute is found at its first opening, since the cycle
 * is the minute. A refusal costs a quiet, so a rate that stands is tested ever less often, and one that grew is found by the
 * square of the time. The shares below 1: a rate that is met exactly is refused by every jitter. Units: ms, starts per second.
 */

import { StartRate } from './start-rate.ts'

/** A pace may be made up for by so much after a late wake; more would be a burst. */
const LATE_MS = 5
const GRANTED_SHARE = 0.97
const REFUSED_SHARE = 0.93
/** Trials cost refusals, waiting costs the quota: in a minute this makes two dozen trials, and wakes a sixth late. */
const TRIAL_SHARE = 0.2
const FIRST_TRIAL_MS = 20
const NEAR_BELOW = 0.9
const NEAR_ABOVE = 1.25
const CYCLE_SHARE = 1 / 3
const LONGEST_CYCLE_MS = 60_000
/** So long nothing is tested; of a test that is refused, the quiet is an eighth of that or less. */
const UNTESTED_MS = 5_000
const UNTESTED_QUIETS = 8
const LONGEST_UNTESTED_MS = 120_000
/** How often it is looked whether the pace is needed, and how many starts it must have held back. */
const LOOKED_AT_STARTS = 64
const NEEDED_STARTS = 6

export class QuotaPace {
  /** Infinity: no quota known. */
  #perSecond = Number.POSITIVE_INFINITY
  #ceiling = Number.POSITIVE_INFINITY
  #growsFrom = Number.POSITIVE_INFINITY
  #testsFrom = Number.POSITIVE_INFINITY
  #confirmations = 0
  #nextStartAt = Number.NEGATIVE_INFINITY
  #openedAt: number | undefined
  /** Undefined: it is open. */
  #shutAt: number | undefined
  #quietMs = 0
  /** How long it was shut, the last time or, if that was longer, before. */
  #shutMs = 0
  #accepted = 0
  #refusedPerSecond = 0
  #rate = new StartRate()
  #starts = 0
  #heldBack = 0

  get nextStartAt(): number {
    return this.#nextStartAt
  }

  /** Starts per second; Infinity while no quota is known. */
  perSecond(at: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return this.#perSecond
    const unitMs = Math.min(10_000, Math.max(1_000, this.#shutMs / 4))
    const grown = this.#perSecond * growth((at - this.#growsFrom) / unitMs)
    return Math.max(this.#perSecond, Math.min(grown, this.#ceiling * growth((at - this.#testsFrom) / unitMs)))
  }

  startsUntil(until: number, now: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const fromMs = Math.max(this.#nextStartAt, now)
    return fromMs > until ? 0 : 1 + Math.floor(((until - fromMs) * this.perSecond(now)) / 1_000)
  }

  started(at: number): void {
    this.#openedAt ??= at
    this.#rate.started(at)
    if (this.#perSecond === Number.POSITIVE_INFINITY) return
    const gapMs = 1_000 / this.perSecond(at)
    this.#starts++
    if (at - this.#nextStartAt < gapMs / 2) this.#heldBack++
    const isTrial = this.#shutAt !== undefined && this.#quietMs === 0
    this.#nextStartAt = isTrial
      ? at + Math.max(gapMs, TRIAL_SHARE * (at - (this.#shutAt as number)))
      : Math.max(this.#nextStartAt, at - LATE_MS) + gapMs
  }

  accepted(at: number, startedAt: number): void {
    this.#accepted++
    if (this.#shutAt !== undefined) {
      if (startedAt > this.#shutAt) this.#open(at, this.#shutAt)
    } else if (this.#starts >= LOOKED_AT_STARTS) {
      if (this.#heldBack < NEEDED_STARTS && at > this.#testsFrom) this.#forget()
      this.#starts = 0
      this.#heldBack = 0
    }
  }

  /** @param quietMs Retry-After; 0 where none was told. */
  refused(at: number, startedAt: number, quietMs: number): void {
    // What started before the last opening was refused by the time before it.
    if (this.#shutAt === undefined && startedAt >= (this.#openedAt ?? startedAt)) this.#shut(at, startedAt, quietMs)
    if (this.#shutAt === undefined || quietMs <= 0) return
    this.#quietMs = Math.max(this.#quietMs, quietMs)
    this.#nextStartAt = Math.max(this.#nextStartAt, at + quietMs)
  }

  #shut(at: number, startedAt: number, quietMs: number): void {
    const isPaced = this.#perSecond < Number.POSITIVE_INFINITY && this.#heldBack >= this.#starts / 2
    const measured = this.#rate.perSecond(at)
    this.#refusedPerSecond = isPaced ? this.perSecond(startedAt) : Math.min(measured, this.perSecond(startedAt))
    this.#shutAt = at
    this.#quietMs = 0
    this.#growsFrom = Number.POSITIVE_INFINITY
    this.#testsFrom = Number.POSITIVE_INFINITY
    this.#perSecond = this.#betweenGrantedAndRefused(at + quietMs)
    this.#nextStartAt = at + Math.max(quietMs, FIRST_TRIAL_MS)
  }

  #open(at: number, shutAt: number): void {
    this.#shutMs = Math.max(at - shutAt, 0.7 * this.#shutMs)
    this.#moveCeiling()
    this.#perSecond = Math.min(this.#betweenGrantedAndRefused(at), this.#ceiling)
    this.#growsFrom = at + Math.min(LONGEST_CYCLE_MS, Math.max(1_000, CYCLE_SHARE * this.#cycleMs(at)))
    const untestedMs = Math.max(UNTESTED_MS, UNTESTED_QUIETS * this.#quietMs)
    const longestMs = Math.max(LONGEST_UNTESTED_MS, 6 * untestedMs)
    this.#testsFrom = at + Math.min(longestMs, untestedMs * 2 ** this.#confirmations)
    this.#nextStartAt = Math.min(this.#nextStartAt, at + 1_000 / this.#perSecond)
    this.#shutAt = undefined
    this.#begin(at)
  }

  #moveCeiling(): void {
    const above = this.#refusedPerSecond / this.#ceiling
    if (above > 1) {
      this.#ceiling *= Math.max(1, GRANTED_SHARE * Math.sqrt(above))
      this.#confirmations = above < NEAR_ABOVE ? this.#confirmations + 1 : 0
    } else {
      this.#ceiling = GRANTED_SHARE * this.#refusedPerSecond
      if (above < NEAR_BELOW) this.#confirmations = 0
    }
  }

  #betweenGrantedAndRefused(until: number): number {
    // One at least, over a millisecond at least: never 0, never Infinity.
    const granted = (Math.max(1, this.#accepted) * 1_000) / Math.max(1, this.#cycleMs(until))
    const most = Math.max(granted, this.#refusedPerSecond)
    return Math.sqrt(GRANTED_SHARE * granted * REFUSED_SHARE * most)
  }

  #cycleMs(until: number): number {
    return until - (this.#openedAt ?? until)
  }

  #begin(at: number | undefined): void {
    this.#openedAt = at
    this.#accepted = 0
    this.#rate = new StartRate()
    this.#starts = 0
    this.#heldBack = 0
  }

  #forget(): void {
    this.#perSecond = Number.POSITIVE_INFINITY
    this.#ceiling = Number.POSITIVE_INFINITY
    this.#nextStartAt = Number.NEGATIVE_INFINITY
    this.#confirmations = 0
    this.#shutMs = 0
    this.#begin(undefined)
  }
}

function growth(units: number): number {
  const since = Math.max(0, units)
  return 1 + 0.01 * since + 0.002 * since * since
}
