/**
 * Pacer: when may the next task start? The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"):
 *
 *     start allowed at t          iff  t >= TAT - b / r
 *     after one of cost c at t         TAT = max(TAT, t - tau) + c / r
 *
 * TAT, the theoretical arrival time, is absolute: a timer that fires late does not move it, so the mean rate is exact.
 * tau forgives lateness, not earliness: a start that is late by up to tau is made up for, a longer stall is not, and so a
 * blocked event loop releases no burst. b is the burst that was asked for, 0 by default: starts are an interval apart. A
 * start is paid for after it happened, so one that costs more than any burst is possible, and delays the next one.
 *
 *     Law, for every window W, c being the greatest cost:   cost of the starts in W <= c + b + r (W + tau)
 *     and for equal costs of 1:                                        starts(W) <= 1 + floor(b + r (W + tau))
 *
 * Regimes: steady (TAT moves by c/r a start); late by <= tau (caught up); idle longer than `IDLE_MS`, held or resumed (the
 * flow ramps up, see ramp.ts, unless a burst was asked for). Units: milliseconds of a monotonic clock; r in units of cost per
 * second, Infinity for no limit; b in units of cost.
 */

import { ForebayError } from '../errors.ts'
import { rampedTime } from './ramp.ts'

export interface PacerSettings {
  /** Starts, or units of their costs, per second: above 0, Infinity for no limit. */
  readonly perSecond: number
  /** How many may go at once after a rest, beyond the first. Default 0. */
  readonly burst?: number
  /** How long the flow climbs after it stood still, ms. */
  readonly rampMs: number
}

/** A pacer as data, for a flow whose starts several processes reserve. Times by one clock of theirs. */
export interface PacerState {
  readonly tat: number
  readonly rampBegan: number
  /** How much of `tat` the last start booked, ms: what lies before that is taken already. */
  readonly lastMs: number
  /** Between starts of cost 1, ms; 0 where nothing limits them. */
  readonly intervalMs: number
}

/** How late a start may be and still be made up for: above Node's timer error, far below what would be felt as a burst. */
export const TOLERANCE_MS = 4

/** A flow that stood still for this long begins again with a ramp. */
export const IDLE_MS = 1_000

export class Pacer {
  #intervalMs: number
  #burst: number
  #rampMs: number
  #rampBegan = Number.NEGATIVE_INFINITY
  #tat = Number.NEGATIVE_INFINITY
  #lastMs = 0
  #fresh = true

  /** @throws ForebayError INVALID_OPTION for a rate that is not above 0. */
  constructor(settings: PacerSettings) {
    this.#intervalMs = intervalOf(settings.perSecond)
    this.#burst = settings.burst ?? 0
    this.#rampMs = rampOf(settings)
  }

  /** Goes on from where another pacer of the same flow was, under new settings. */
  static resume(state: PacerState, settings: PacerSettings, now: number): Pacer {
    const pacer = new Pacer({ ...settings, perSecond: 1_000 / state.intervalMs })
    pacer.#tat = state.tat
    pacer.#rampBegan = state.rampBegan
    pacer.#lastMs = state.lastMs
    pacer.#fresh = false
    pacer.change(settings, now)
    return pacer
  }

  /** What `resume` needs; undefined before the first start. */
  get state(): PacerState | undefined {
    if (this.#fresh) return undefined
    return { tat: this.#tat, rampBegan: this.#rampBegan, lastMs: this.#lastMs, intervalMs: this.#intervalMs }
  }

  /** The earliest time of the next start; -Infinity if it may be at once. Reading it changes nothing. */
  get nextAt(): number {
    return this.#tat - this.#burstMs
  }

  /** Until when it is held; -Infinity if it is not. */
  heldUntil(now: number): number {
    return this.#rampBegan > now ? this.#rampBegan : Number.NEGATIVE_INFINITY
  }

  /**
   * Records a start at `now`, which must not be before `nextAt`.
   * @param toleranceMs How much lateness is made up for. A start that is planned ahead is not late: 0.
   */
  take(now: number, cost = 1, toleranceMs = TOLERANCE_MS): void {
    if (now < this.nextAt)
      throw new ForebayError('INTERNAL', `The pacer was asked for a start ${this.nextAt - now} ms too early.`)
    if (this.#fresh || now - this.#tat > IDLE_MS) {
      this.#fresh = false
      this.#rampBegan = now
      this.#tat = now
    }
    const from = Math.max(this.#tat, now - toleranceMs)
    this.#tat = this.#after(from, cost * this.#intervalMs)
    this.#lastMs = this.#tat - from
  }

  /** Books cost that no start paid for: what one turned out to cost more than was taken for it. */
  charge(cost: number, now: number): void {
    if (this.#fresh) this.take(now, 0)
    this.#tat += cost * this.#intervalMs
    this.#lastMs += cost * this.#intervalMs
  }

  /** Starts of so much cost, the latest ones that were taken, will not happen. */
  giveBack(cost: number): void {
    this.#tat -= cost * this.#intervalMs
  }

  /** How many starts fit until `until`, the next one included, if every one is on time and costs `cost`. */
  startsUntil(until: number, now: number, cost = 1): number {
    if (this.nextAt > until) return 0
    const intervalMs = cost * this.#intervalMs
    if (intervalMs === 0) return Number.POSITIVE_INFINITY
    const first = Math.max(this.#tat, now) - this.#burstMs
    return first > until ? 0 : Math.floor((until - first) / intervalMs) + 1
  }

  /** Nothing starts before `until`; then the flow ramps up, without a burst. An earlier hold that ends later stands. */
  hold(until: number): void {
    if (until <= this.nextAt) return
    this.#tat = until + this.#burstMs
    this.#rampBegan = until
    this.#fresh = false
  }

  /** The flow stood still by somebody's will (a pause): it ramps up from its next start. */
  rest(): void {
    this.#fresh = true
  }

  /**
   * Changes the rate without a jump or a stall: what is left of the last start's interval shrinks or grows in proportion. Slots
   * that were reserved ahead stay where they are.
   */
  change(settings: PacerSettings, now: number): void {
    const intervalMs = intervalOf(settings.perSecond)
    const previousBurstMs = this.#burstMs
    // A ramp that begins later than now is a hold, and stands.
    const held = this.heldUntil(now) > now
    const from = held ? this.#rampBegan + previousBurstMs : now
    const left = Math.min(this.#tat - from, held ? Number.POSITIVE_INFINITY : this.#lastMs)
    if (left > 0) {
      const scaled = this.#intervalMs === 0 ? 0 : (left * intervalMs) / this.#intervalMs
      this.#tat += scaled - left
      this.#lastMs = scaled
    }
    this.#intervalMs = intervalMs
    this.#burst = settings.burst ?? 0
    this.#rampMs = rampOf(settings)
    if (held) this.#tat += this.#burstMs - previousBurstMs
  }

  get #burstMs(): number {
    return this.#burst * this.#intervalMs
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

function rampOf({ burst = 0, rampMs }: PacerSettings): number {
  return burst > 0 ? 0 : rampMs
}
