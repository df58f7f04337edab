/**
 * Pacer: when may the next task start? The generic cell rate algorithm (ITU-T I.371, "virtual scheduling") with no burst:
 *
 *     start allowed at t        iff  t >= TAT
 *     after a start at t             TAT = max(TAT, t - tau) + 1 / r
 *
 * TAT, the theoretical arrival time, is absolute: a timer that fires late does not move it, so the mean rate is exact.
 * tau forgives lateness, not earliness: a start that is late by up to tau is made up for, a longer stall is not, and so a
 * blocked event loop releases no burst. Law, for every window W:   starts(W) <= 1 + floor(r (W + tau)).
 *
 * Regimes: steady (TAT moves by 1/r a start); late by <= tau (caught up); idle longer than `IDLE_MS`, held or resumed (the
 * flow ramps up, see ramp.ts). Units: milliseconds of a monotonic clock; r in starts per second, Infinity for no limit.
 */

import { ForebayError } from '../errors.ts'
import { rampedTime } from './ramp.ts'

export interface PacerSettings {
  /** Starts per second: above 0, Infinity for no limit. */
  readonly perSecond: number
  /** How long the flow climbs after it stood still, ms. */
  readonly rampMs: number
}

/** A pacer as data, for a flow whose starts several processes reserve. Times by one clock of theirs. */
export interface PacerState {
  readonly tat: number
  readonly rampBegan: number
  readonly perSecond: number
}

/** How late a start may be and still be made up for: above Node's timer error, far below what would be felt as a burst. */
export const TOLERANCE_MS = 4

/** A flow that stood still for this long begins again with a ramp. */
export const IDLE_MS = 1_000

export class Pacer {
  #intervalMs: number
  #rampMs: number
  #rampBegan = Number.NEGATIVE_INFINITY
  #tat = Number.NEGATIVE_INFINITY
  #fresh = true

  /** @throws ForebayError INVALID_OPTION for a rate that is not above 0. */
  constructor(settings: PacerSettings) {
    this.#intervalMs = intervalOf(settings.perSecond)
    this.#rampMs = settings.rampMs
  }

  /** Goes on from where another pacer of the same flow was, under new settings. */
  static resume(state: PacerState, settings: PacerSettings, now: number): Pacer {
    const pacer = new Pacer({ perSecond: state.perSecond, rampMs: settings.rampMs })
    pacer.#tat = state.tat
    pacer.#rampBegan = state.rampBegan
    pacer.#fresh = false
    pacer.change(settings, now)
    return pacer
  }

  /** What `resume` needs; undefined before the first start. */
  get state(): PacerState | undefined {
    if (this.#fresh) return undefined
    return { tat: this.#tat, rampBegan: this.#rampBegan, perSecond: 1_000 / this.#intervalMs }
  }

  /** The earliest time of the next start; -Infinity if it may be at once. Reading it changes nothing. */
  get nextAt(): number {
    return this.#tat
  }

  /** Records a start at `now`, which must not be before `nextAt`. */
  take(now: number): void {
    this.#take(now, TOLERANCE_MS)
  }

  /**
   * Takes up to `want` starts ahead of time, none later than `until`; returns their times, in order. What is planned ahead is
   * not late, so there is nothing to make up for: the slots are a whole interval apart.
   */
  reserve(want: number, now: number, until: number): number[] {
    const slots: number[] = []
    while (slots.length < want) {
      const slot = Math.max(now, this.#tat)
      if (slot > until) break
      this.#take(slot, 0)
      slots.push(slot)
    }
    return slots
  }

  /** How many starts fit until `until`, the next one included, if every one is on time. */
  startsUntil(until: number, now: number): number {
    if (this.#intervalMs === 0) return this.#tat <= until ? Number.POSITIVE_INFINITY : 0
    const first = Math.max(this.#tat, now)
    return first > until ? 0 : Math.floor((until - first) / this.#intervalMs) + 1
  }

  /** Nothing starts before `until`; then the flow ramps up. An earlier hold that ends later stands. */
  hold(until: number): void {
    if (until <= this.#tat) return
    this.#tat = until
    this.#rampBegan = until
    this.#fresh = false
  }

  /** The flow stood still by somebody's will (a pause): it ramps up from its next start. */
  rest(): void {
    this.#fresh = true
  }

  /** Changes the rate without a jump or a stall: what is left of the running interval shrinks or grows in proportion. */
  change(settings: PacerSettings, now: number): void {
    const intervalMs = intervalOf(settings.perSecond)
    // A ramp that begins later than now is a hold, and stands.
    const from = Math.max(now, this.#rampBegan)
    const left = this.#tat - from
    if (left > 0) this.#tat = this.#intervalMs === 0 ? from : from + (left * intervalMs) / this.#intervalMs
    this.#intervalMs = intervalMs
    this.#rampMs = settings.rampMs
  }

  #take(now: number, toleranceMs: number): void {
    if (now < this.#tat)
      throw new ForebayError('INTERNAL', `The pacer was asked for a start ${this.#tat - now} ms too early.`)
    if (this.#fresh || now - this.#tat > IDLE_MS) {
      this.#fresh = false
      this.#rampBegan = now
      this.#tat = now
    }
    const from = Math.max(this.#tat, now - toleranceMs)
    this.#tat = this.#after(from, this.#intervalMs)
  }

  #after(from: number, flowMs: number): number {
    const since = from - this.#rampBegan
    if (since >= this.#rampMs || this.#rampMs === 0) return from + flowMs
    return this.#rampBegan + rampedTime(Math.max(0, since), flowMs, this.#rampMs)
  }
}

function intervalOf(perSecond: number): number {
  if (!(perSecond > 0)) throw new ForebayError('INVALID_OPTION', `rate.perSecond must be above 0, not ${perSecond}.`)
  return 1_000 / perSecond
}
