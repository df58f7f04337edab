/**
 * A window of samples that is long enough to say something: until the standard error of the mean latency is a given share of it.
 *
 *     n >= (cv / error)^2,   cv = standard deviation / mean, so far        between 20 and 400 samples, and 1.5 rounds of the limit
 *
 * Regimes: 20 samples where all take the same time; where one in ten takes ten times as long (cv 1.6) it waits until enough
 * of the long ones are in. After 5 s what there is must do, from 5 samples on. Variance by Welford's recurrence (1962).
 */

import type { AttemptSample } from './concurrency-limit.ts'

export const LONGEST_WINDOW_MS = 5_000
/** A clock may not have moved; what is divided by a latency must stay a number. */
const LEAST_LATENCY_MS = 0.001
const LEAST_SAMPLES = 20
const MOST_SAMPLES = 400
/** Attempts that run together are alike; more than one round of them is needed. */
const ROUNDS = 1.5

export class SampleWindow {
  readonly began: number
  samples = 0
  mostInFlight = 0
  latencyMs = 0
  readonly #spread: number
  #failures = 0
  #squares = 0

  /** @param spread The squared cv of windows before: one without its long ones would look even, and end too soon. */
  constructor(began: number, spread: number) {
    this.began = began
    this.#spread = spread
  }

  /** The squared cv of its samples. */
  get spread(): number {
    return this.samples === 0 ? 0 : this.#squares / this.samples / this.latencyMs ** 2
  }

  get errors(): number {
    return this.samples === 0 ? 0 : this.#failures / this.samples
  }

  /** The standard error of the mean latency. */
  get errorMs(): number {
    return this.latencyMs * Math.sqrt(Math.max(this.#spread, this.spread) / this.samples)
  }

  /** A failure may be quick; that it is does not make the downstream fast: it counts as `leastFailedMs` at least. */
  add({ startedAt, at, result, inFlight }: AttemptSample, leastFailedMs: number): void {
    const latencyMs = Math.max(at - startedAt, result === 'failed' ? leastFailedMs : 0, LEAST_LATENCY_MS)
    this.samples++
    if (result === 'failed') this.#failures++
    this.mostInFlight = Math.max(this.mostInFlight, inFlight)
    const off = latencyMs - this.latencyMs
    this.latencyMs += off / this.samples
    this.#squares += off * (latencyMs - this.latencyMs)
  }

  isEnough(limit: number, error: number, at: number): boolean {
    if (at - this.began > LONGEST_WINDOW_MS && this.samples >= 5) return true
    const wanted = Math.min(MOST_SAMPLES, Math.max(LEAST_SAMPLES, Math.max(this.#spread, this.spread) / error ** 2))
    return this.samples >= Math.max(wanted, ROUNDS * limit)
  }
}
