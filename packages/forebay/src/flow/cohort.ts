/**
 * A cohort: the attempts that started one after another under one limit, measured as a whole once nine of ten have ended.
 *
 *     latency    the mean, with every latency above the 0.9 quantile counted as that quantile (Winsor's mean), and so is
 *                what has not ended yet
 *     error      its standard error:   s / (0.9 sqrt n),   s the standard deviation of the values so counted
 *
 * Why a cohort: of the attempts that end within a while the quick ones are too many; of those that start none is chosen by its
 * latency. Why Winsor: a few very long ones, which a tail always has, would decide the mean, and a cohort would wait for them.
 * A queue lengthens all alike, those at the quantile too, so that it is seen in full. In memory are at most 1,024 latencies.
 *
 * Source: W. Dixon and J. Tukey, "Approximate behavior of the distribution of Winsorized t" (1968), for the error. Units: ms.
 */

import type { AttemptSample } from './concurrency-limit.ts'

/** A tenth is longer than any mean should know of. */
const COUNTED_SHARE = 0.9
const MOST_KEPT = 1_024
/** A clock may not have moved; what is divided by a latency must stay a number. */
const LEAST_LATENCY_MS = 0.001
/** Where starts are rare, what there is after so long must do: three round trips, at least 5 s, from five attempts on. */
const LONGEST_MS = 5_000
const LONGEST_ROUNDS = 3
const FEWEST = 5

export interface Measured {
  readonly latencyMs: number
  /** The squared coefficient of variation of the values that were counted. */
  readonly spread: number
  readonly attempts: number
  /** Attempts in flight, in the mean and at most. */
  readonly load: number
  readonly mostInFlight: number
  readonly failures: number
}

export class Cohort {
  readonly #began: number
  readonly #wanted: number
  #closedAt = Number.POSITIVE_INFINITY
  #started = 0
  #ended = 0
  #failures = 0
  #totalMs = 0
  #inFlight = 0
  #mostInFlight = 0
  /** Every `#stride`-th latency. */
  #kept: number[] = []
  #stride = 1

  /** Takes what starts later than `began`, until it has `wanted`: at the very moment others may have started before it. */
  constructor(began: number, wanted: number) {
    this.#began = began
    this.#wanted = wanted
  }

  /** Whether all have started. */
  get isClosed(): boolean {
    return this.#closedAt < Number.POSITIVE_INFINITY
  }

  has(startedAt: number): boolean {
    return startedAt > this.#began && startedAt <= this.#closedAt
  }

  started(at: number): void {
    if (this.isClosed || at <= this.#began) return
    if (++this.#started >= this.#wanted) this.#closedAt = at
  }

  /** One of it says nothing of the downstream. */
  leaves(): void {
    this.#started--
  }

  /** One of it ended. A failure may be quick; that does not make the downstream fast: it counts `leastFailedMs` at least. */
  ended(sample: AttemptSample, leastFailedMs: number): void {
    const { startedAt, at, result, inFlight } = sample
    const tookMs = sample.latencyMs ?? at - startedAt
    const latencyMs = Math.max(tookMs, result === 'failed' ? leastFailedMs : 0, LEAST_LATENCY_MS)
    if (this.#ended++ % this.#stride === 0) this.#keep(latencyMs)
    if (result === 'failed') this.#failures++
    this.#totalMs += latencyMs
    this.#inFlight += inFlight
    this.#mostInFlight = Math.max(this.#mostInFlight, inFlight)
  }

  /** Its measure, as soon as enough of it has ended. */
  measured(at: number): Measured | undefined {
    if (!this.isClosed && this.#isOverdue(at)) this.#closedAt = at
    if (!this.isClosed || this.#ended === 0 || this.#ended < COUNTED_SHARE * this.#started) return undefined
    const all = Math.max(this.#kept.length, this.#started / this.#stride)
    const sorted = Float64Array.from(this.#kept).sort()
    const below = sorted.subarray(0, Math.max(1, Math.min(sorted.length, Math.ceil(COUNTED_SHARE * all))))
    const quantile = below.at(-1) as number
    const counted = (of: (latencyMs: number) => number) =>
      (below.reduce((sum, latencyMs) => sum + of(latencyMs), 0) + (all - below.length) * of(quantile)) / all
    const latencyMs = counted((value) => value)
    return {
      latencyMs,
      spread: counted((value) => (value / latencyMs - 1) ** 2) / COUNTED_SHARE ** 2,
      attempts: this.#started,
      load: this.#inFlight / this.#ended,
      mostInFlight: this.#mostInFlight,
      failures: this.#failures,
    }
  }

  #isOverdue(at: number): boolean {
    if (this.#ended < FEWEST) return false
    return at - this.#began > Math.max(LONGEST_MS, (LONGEST_ROUNDS * this.#totalMs) / this.#ended)
  }

  #keep(latencyMs: number): void {
    this.#kept.push(latencyMs)
    if (this.#kept.length < MOST_KEPT) return
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0)
    this.#stride *= 2
  }
}
