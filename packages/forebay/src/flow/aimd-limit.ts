/**
 * AIMD: additive increase, multiplicative decrease, as TCP's congestion avoidance.
 *
 *     success while the limit is used up (inFlight >= 0.8 L):   L += 1 / L      one more per L successes: a round trip
 *     failure or refusal:                                       L *= 0.9        at most once a round trip
 *
 * Regimes: a sawtooth below the point where errors begin; in between nothing tells it of a queue that only grows slower,
 * so use it where the downstream refuses rather than queues. Otherwise: adaptive-limit.ts.
 *
 * Source: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer
 * Networks" (1989): this pair converges to fairness among those who share. The factor 0.9 is that of Netflix's
 * concurrency-limits. Units: attempts at once; ms.
 */

import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange, LimitReason } from './concurrency-limit.ts'

const BACKOFF = 0.9

/** Below this share of the limit something else is the bottleneck, and nothing is learned about the downstream. */
const USED_SHARE = 0.8

export class AimdLimit implements ConcurrencyLimit {
  readonly nextStartAt = Number.NEGATIVE_INFINITY
  readonly #bounds: LimitBounds
  #exact: number
  /** Attempts that began before the last decrease fail because of the limit before it. */
  #decreasedAt = Number.NEGATIVE_INFINITY

  constructor(bounds: LimitBounds, initial: number) {
    this.#bounds = bounds
    this.#exact = Math.min(Math.max(initial, bounds.min), bounds.max)
  }

  get limit(): number {
    return Math.floor(this.#exact)
  }

  startsUntil(): number {
    return Number.POSITIVE_INFINITY
  }

  pacePerSecond(): number {
    return Number.POSITIVE_INFINITY
  }

  started(): void {}

  ended({ startedAt, at, result, inFlight }: AttemptSample): LimitChange | undefined {
    if (result === 'unknown') return undefined
    if (result === 'ok') {
      if (inFlight < USED_SHARE * this.limit) return undefined
      return this.#become(this.#exact + 1 / this.#exact, 'room')
    }
    if (startedAt < this.#decreasedAt) return undefined
    this.#decreasedAt = at
    return this.#become(this.#exact * BACKOFF, result === 'failed' ? 'errors' : 'refused')
  }

  #become(exact: number, reason: LimitReason): LimitChange | undefined {
    const previous = this.limit
    this.#exact = Math.min(Math.max(exact, this.#bounds.min), this.#bounds.max)
    return this.limit === previous ? undefined : { limit: this.limit, previous, reason }
  }
}
