/**
 * Drain rate: how many tasks leave a queue per second, as an exponentially weighted mean over irregular samples.
 *
 *     rate = sum(w_i left_i) / sum(w_i dt_i),     w_i = product of exp(-dt_j / T_j) over the later intervals j
 *     T    = max(3 s, 20 / rate), at most a minute
 *
 * T is the time constant: a step in the true rate is followed to 63% within T. It grows for a slow queue, so that about
 * twenty departures always decide, and one that happens to fall into the last interval does not. Weighting by time makes the
 * first intervals count as much as they last: a flow that was still ramping up for half a second does not spoil the mean.
 *
 * Regimes: backlogged at both ends of an interval (what left is what the queue can drain: `perSecond`); else (it could
 * drain faster: what left is a lower bound, which `atLeastPerSecond` remembers until a backlog was measured); a gap
 * without samples longer than 5 s (the rate stays, and measuring begins anew). An expected rate, if there is one, counts as
 * if it had been measured for a second. Units: milliseconds in, tasks per second out.
 */

const TIME_CONSTANT_MS = 3_000
const LONGEST_TIME_CONSTANT_MS = 60_000
const DEPARTURES = 20

/** After a longer gap between samples it was another time with another load. */
const LONGEST_GAP_MS = 5_000

/** For how long an expected rate counts as measured. */
const EXPECTED_FOR_MS = 500

export class DrainMeter {
  #at: number | undefined
  #finished = 0
  #backlogged = false
  /** The two sums of the formula. */
  #left = 0
  #spanMs = 0
  #atLeast: number | undefined

  /** @param expectedPerSecond What is expected until it is measured. */
  constructor(expectedPerSecond?: number) {
    if (expectedPerSecond === undefined) return
    this.#left = (expectedPerSecond * EXPECTED_FOR_MS) / 1_000
    this.#spanMs = EXPECTED_FOR_MS
  }

  /**
   * @param finished How many tasks have ever left the queue: a count that only grows.
   * @param backlogged Whether tasks were ready.
   */
  sample(now: number, finished: number, backlogged: boolean): void {
    const [at, before, wasBacklogged] = [this.#at, this.#finished, this.#backlogged]
    this.#at = now
    this.#finished = finished
    this.#backlogged = backlogged
    if (at === undefined || now <= at || now - at > LONGEST_GAP_MS) return
    const dt = now - at
    // Dead letters that were redriven make the count fall.
    const left = Math.max(0, finished - before)
    const measured = (1_000 * left) / dt
    if (!backlogged || !wasBacklogged) {
      if (measured > 0) this.#atLeast = measured
      return
    }
    const kept = Math.exp(-dt / timeConstant(Math.max(measured, this.perSecond ?? 0)))
    this.#left = this.#left * kept + left
    this.#spanMs = this.#spanMs * kept + dt
  }

  /** What the queue drains while tasks wait; undefined if nothing was measured or expected. */
  get perSecond(): number | undefined {
    return this.#spanMs === 0 ? undefined : (1_000 * this.#left) / this.#spanMs
  }

  /** The same, or else what it drained of late without a backlog: it may be able to drain more. */
  get atLeastPerSecond(): number | undefined {
    return this.perSecond ?? this.#atLeast
  }

  /** How old the newest sample is, ms; Infinity if there is none. */
  ageMs(now: number): number {
    return this.#at === undefined ? Number.POSITIVE_INFINITY : now - this.#at
  }
}

function timeConstant(perSecond: number): number {
  return Math.min(LONGEST_TIME_CONSTANT_MS, Math.max(TIME_CONSTANT_MS, (1_000 * DEPARTURES) / perSecond))
}
