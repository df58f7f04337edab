/**
 * Other limits, written from their public descriptions, to be measured beside ours. They are no products: a figure here says
 * what the algorithm does in this simulation.
 *
 *     Vegas        queue = L (1 - R0 / R), R0 the least latency ever seen; L +- log10 L with alpha = 3 log10 L, beta = 6 log10 L
 *     Gradient2    g = clamp(1.5 Rlong / Rshort, 0.5, 1); L = 0.8 L + 0.2 (L g + 4); Rlong an average over 300 samples
 *     Envoy-like   every 60 s: L = 3 until 50 samples gave R0; each 100 ms: L = L min(2, 1.25 R0 / p50) + sqrt(L)
 *
 * Sources: Netflix concurrency-limits (VegasLimit, Gradient2Limit); Envoy's documentation of the adaptive concurrency filter.
 */

import { median } from './statistics.ts'
import type { AttemptSample, ConcurrencyLimit } from '../../packages/forebay/src/flow/concurrency-limit.ts'

abstract class Rival implements ConcurrencyLimit {
  readonly nextStartAt = Number.NEGATIVE_INFINITY
  protected exact: number
  readonly #most: number

  constructor(initial: number, most = 1_000) {
    this.exact = initial
    this.#most = most
  }

  get limit(): number {
    return Math.max(1, Math.min(this.#most, Math.floor(this.exact)))
  }

  pacePerSecond(): number {
    return Number.POSITIVE_INFINITY
  }

  startsUntil(): number {
    return Number.POSITIVE_INFINITY
  }

  started(): void {}

  ended(sample: AttemptSample): undefined {
    this.learn(sample)
    this.exact = Math.max(1, Math.min(this.#most, this.exact))
  }

  protected abstract learn(sample: AttemptSample): void
}

export class FixedLimit extends Rival {
  protected learn(): void {}
}

export class VegasLimit extends Rival {
  #least = Number.POSITIVE_INFINITY

  protected learn({ startedAt, at, result, inFlight }: AttemptSample): void {
    const latencyMs = at - startedAt
    const step = Math.max(1, Math.log10(this.exact))
    if (result !== 'ok') {
      this.exact -= step
      return
    }
    this.#least = Math.min(this.#least, latencyMs)
    if (inFlight * 2 < this.exact) return
    const queue = Math.ceil(this.exact * (1 - this.#least / latencyMs))
    if (queue <= step) this.exact += 6 * step
    else if (queue < 3 * step) this.exact += step
    else if (queue > 6 * step) this.exact -= step
  }
}

export class Gradient2Limit extends Rival {
  #long = 0
  #samples = 0

  protected learn({ startedAt, at, inFlight }: AttemptSample): void {
    const latencyMs = at - startedAt
    this.#samples++
    this.#long += (latencyMs - this.#long) / Math.min(this.#samples, 300)
    if (this.#long / latencyMs > 2) this.#long *= 0.95
    if (inFlight < this.exact / 2) return
    const gradient = Math.max(0.5, Math.min(1, (1.5 * this.#long) / latencyMs))
    this.exact = Math.max(1, 0.8 * this.exact + 0.2 * (this.exact * gradient + 4))
  }
}

const ENVOY_PROBE_EVERY_MS = 60_000

export class EnvoyLikeLimit extends Rival {
  #measured: number[] = []
  #leastMs: number | undefined
  #probedAt = 0
  #before: number
  #window: number[] = []
  #windowBegan = 0

  constructor(initial: number, most?: number) {
    super(initial, most)
    this.#before = initial
    this.exact = 3
  }

  protected learn({ startedAt, at, result }: AttemptSample): void {
    const latencyMs = at - startedAt
    if (result === 'refused') return
    if (this.#leastMs === undefined) {
      this.#measured.push(latencyMs)
      if (this.#measured.length < 50) return
      this.#leastMs = median(this.#measured)
      this.#measured = []
      this.#probedAt = at
      this.exact = this.#before
      return
    }
    this.#window.push(latencyMs)
    if (at - this.#windowBegan < 100) return
    const gradient = Math.min(2, (1.25 * this.#leastMs) / median(this.#window))
    this.exact = this.exact * gradient + Math.sqrt(this.exact)
    this.#window = []
    this.#windowBegan = at
    if (at - this.#probedAt < ENVOY_PROBE_EVERY_MS) return
    this.#leastMs = undefined
    this.#before = this.exact
    this.exact = 3
  }
}
