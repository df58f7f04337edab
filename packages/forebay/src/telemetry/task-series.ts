/**
 * The series of one queue's tasks by their types. Types are chosen by callers, so no more of them are kept than the registry has room
 * for: from the first type on that does not fit as a whole, all new ones are counted under `other`, and nothing is kept of them.
 */

import { METRICS, type Metric } from './metrics.ts'
import type { Counter, Histogram, Registry } from './registry.ts'

/** What is counted of each type. What only some have (refused, dead, ...) is looked up when it comes. */
export interface TypeSeries {
  readonly offered: Counter
  readonly accepted: Counter
  readonly started: Counter
  readonly completed: Counter
  /** Service time of the attempts that completed. */
  readonly served: Histogram
}

const OF_A_TYPE = [METRICS.offered, METRICS.accepted, METRICS.started, METRICS.completed, METRICS.processDuration]

export type RareCounter = 'duplicate' | 'spilled' | 'retried' | 'released' | 'expired'

export class TaskSeries {
  readonly #queue: string
  readonly #registry: Registry
  readonly #types = new Map<string, TypeSeries>()
  readonly #folded: Counter
  #other: TypeSeries | undefined

  constructor(queue: string, registry: Registry) {
    this.#queue = queue
    this.#registry = registry
    this.#folded = registry.series(METRICS.folded, {})
  }

  of(type: string): TypeSeries {
    return this.#types.get(type) ?? this.#look(type)
  }

  addRare(what: RareCounter, type: string): void {
    this.#find(METRICS[what], type, {}).add()
  }

  addRefused(type: string, code: string): void {
    this.#find(METRICS.refused, type, { code }).add()
  }

  addDead(type: string, reason: string): void {
    this.#find(METRICS.dead, type, { reason }).add()
  }

  /** How long an attempt ran that did not complete. */
  recordFailed(type: string, outcome: 'retried' | 'dead', durationMs: number): void {
    this.#find(METRICS.processDuration, type, { outcome }).record(durationMs / 1_000)
  }

  /** A type that is counted under `other` is so with everything. */
  #find<M extends Metric>(metric: M, type: string, more: Readonly<Record<string, string>>) {
    if (this.of(type) === this.#other) return this.#registry.other(metric)
    return this.#registry.series(metric, { queue: this.#queue, type, ...more })
  }

  #look(type: string): TypeSeries {
    if (this.#other || !this.#registry.fits(OF_A_TYPE)) {
      this.#folded.add()
      this.#other ??= this.#made((metric) => this.#registry.other(metric))
      return this.#other
    }
    const labels = { queue: this.#queue, type }
    const outcome = (metric: Metric) => (metric === METRICS.processDuration ? { outcome: 'completed' } : {})
    const series = this.#made((metric) => this.#registry.series(metric, { ...labels, ...outcome(metric) }))
    this.#types.set(type, series)
    return series
  }

  #made(of: Registry['other']): TypeSeries {
    return {
      offered: of(METRICS.offered),
      accepted: of(METRICS.accepted),
      started: of(METRICS.started),
      completed: of(METRICS.completed),
      served: of(METRICS.processDuration),
    }
  }
}
