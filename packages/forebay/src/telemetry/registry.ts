/**
 * The registry: all series of this process, and no more than `maxSeries` of them as Prometheus counts (each bucket of a histogram is
 * one). One series of each metric that adds up is set aside as `other`: what no longer fits is counted there, all its labels being
 * `other`, and in `forebay.series.folded`. A gauge that does not fit is left out, since gauges of different things do not add up.
 *
 * A series is looked up once and then kept by who feeds it; feeding it is an addition.
 */

import { LABELS, type Label, METRICS, type Metric } from './metrics.ts'

export type LabelValues = Readonly<Partial<Record<Label, string>>>
/** For OpenTelemetry. */
export type Attributes = Readonly<Record<string, string>>
/** Is told what a histogram is told. */
export type Mirror = (value: number, attributes: Attributes) => void

/** What is folded is named so. */
const OTHER = 'other'

abstract class Series {
  readonly labels: LabelValues
  readonly attributes: Attributes

  constructor(metric: Metric, labels: LabelValues) {
    this.labels = labels
    const told = Object.entries(labels).map(([label, value]) => [LABELS[label as Label], value])
    this.attributes = Object.freeze({ ...metric.constant, ...Object.fromEntries(told) })
  }
}

export class Counter extends Series {
  value = 0

  add(amount = 1): void {
    this.value += amount
  }
}

export class Gauge extends Series {
  /** Undefined: not known, and not shown. */
  value: number | undefined

  set(value: number | undefined): void {
    this.value = value
  }
}

export class Histogram extends Series {
  /** How many fell into each bucket, the one without a bound included. */
  readonly counts: number[]
  sum = 0
  count = 0
  readonly #of: (value: number) => number
  readonly #mirror: Mirror | undefined

  constructor(metric: Metric, labels: LabelValues, mirror: Mirror | undefined) {
    super(metric, labels)
    const { bounds, of } = metric.buckets as NonNullable<Metric['buckets']>
    this.counts = new Array<number>(bounds.length + 1).fill(0)
    this.#of = of
    this.#mirror = mirror
  }

  record(value: number): void {
    const bucket = this.#of(value)
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sum += value
    this.count++
    this.#mirror?.(value, this.attributes)
  }
}

type SeriesOf<M extends Metric> = { counter: Counter; gauge: Gauge; histogram: Histogram }[M['kind']]

export interface RegistryOptions {
  /** Default 1,000; at least what one series of each metric takes. */
  readonly maxSeries?: number
  /** For each histogram, who else is told. */
  readonly mirrorOf?: (metric: Metric) => Mirror | undefined
}

export const DEFAULT_MAX_SERIES = 1_000

export class Registry {
  readonly #families = new Map<Metric, Map<string, Counter | Gauge | Histogram>>()
  readonly #mirrorOf: (metric: Metric) => Mirror | undefined
  /** Room that only this metric's series may take. */
  readonly #reserved = new Map<Metric, number>()
  #left: number

  constructor({ maxSeries = DEFAULT_MAX_SERIES, mirrorOf = () => undefined }: RegistryOptions = {}) {
    this.#mirrorOf = mirrorOf
    const metrics = Object.values<Metric>(METRICS)
    for (const metric of metrics) this.#families.set(metric, new Map())
    // There from the beginning: a counter that begins with its first count has no increase to be seen.
    this.series(METRICS.folded, {})
    this.#left = maxSeries - metrics.filter(addsUp).reduce((sum, metric) => sum + costOf(metric), 0)
  }

  /** The series of a metric with these labels: always the same one, or `other` when there is no room for it. */
  series<M extends Metric>(metric: M, labels: LabelValues): SeriesOf<M> {
    const family = this.#families.get(metric) as Map<string, Counter | Gauge | Histogram>
    const name = nameOf(metric, labels)
    const known = family.get(name)
    if (known) return known as SeriesOf<M>
    if (this.#takeRoom(metric)) {
      const made = this.#make(metric, labels)
      family.set(name, made)
      return made as SeriesOf<M>
    }
    this.series(METRICS.folded, {}).add()
    return this.other(metric)
  }

  /** Whether there is room for one more series of each of these. */
  fits(metrics: readonly Metric[]): boolean {
    return metrics.reduce((sum, metric) => sum + costOf(metric), 0) <= this.#left
  }

  /** Where a metric counts what did not fit; of a gauge, one that nobody sees. */
  other<M extends Metric>(metric: M): SeriesOf<M> {
    const family = this.#families.get(metric) as Map<string, Counter | Gauge | Histogram>
    const labels = Object.fromEntries(metric.labels.map((label) => [label, OTHER]))
    const name = nameOf(metric, labels)
    const made = family.get(name) ?? this.#make(metric, labels)
    if (addsUp(metric)) family.set(name, made)
    return made as SeriesOf<M>
  }

  /** Keeps room for so many more series of this metric, as far as there is any. */
  reserve(metric: Metric, count: number): void {
    const granted = Math.max(0, Math.min(count, Math.floor(this.#left / costOf(metric))))
    this.#left -= granted * costOf(metric)
    this.#reserved.set(metric, (this.#reserved.get(metric) ?? 0) + granted)
  }

  /** Forgets a series; there is room for another of this metric. */
  forget(metric: Metric, labels: LabelValues): void {
    if (!this.#families.get(metric)?.delete(nameOf(metric, labels))) return
    this.#reserved.set(metric, (this.#reserved.get(metric) ?? 0) + 1)
  }

  /** Every metric with its series, in the order of the declarations. */
  families(): Iterable<readonly [Metric, Iterable<Counter | Gauge | Histogram>]> {
    return Array.from(this.#families, ([metric, family]) => [metric, family.values()] as const)
  }

  #takeRoom(metric: Metric): boolean {
    const reserved = this.#reserved.get(metric) ?? 0
    if (reserved > 0) this.#reserved.set(metric, reserved - 1)
    // What has no labels and adds up has its room from the beginning.
    else if (metric.labels.length > 0 || !addsUp(metric)) {
      const cost = costOf(metric)
      if (cost > this.#left && metric.labels.length > 0) return false
      this.#left -= cost
    }
    return true
  }

  #make(metric: Metric, labels: LabelValues): Counter | Gauge | Histogram {
    if (metric.kind === 'counter') return new Counter(metric, labels)
    if (metric.kind === 'gauge') return new Gauge(metric, labels)
    return new Histogram(metric, labels, this.#mirrorOf(metric))
  }
}

function nameOf(metric: Metric, labels: LabelValues): string {
  return metric.labels.map((label) => labels[label] ?? '').join('\u0000')
}

function addsUp({ kind }: Metric): boolean {
  return kind !== 'gauge'
}

/** In series of Prometheus: a histogram's buckets, the one without a bound, its sum and its count. */
function costOf({ buckets }: Metric): number {
  return buckets ? buckets.bounds.length + 3 : 1
}

/** The least that `maxSeries` can be: the series that are set aside, and as many again. */
export const LEAST_MAX_SERIES = 2 * Object.values<Metric>(METRICS).reduce((sum, metric) => sum + costOf(metric), 0)
