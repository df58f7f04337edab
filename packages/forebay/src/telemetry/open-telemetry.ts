/**
 * The registry as OpenTelemetry metrics: counters and gauges are observable, read from the registry when the SDK collects; a histogram
 * is told each value, since the API has no other way. Attributes are made once a series.
 *
 * Without an SDK nothing of this is made, and it costs nothing.
 */

import {
  type BatchObservableCallback,
  createNoopMeter,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
  ProxyTracerProvider,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api'
import { METRICS, type Metric } from './metrics.ts'
import type { Mirror, Registry } from './registry.ts'
import { Histogram } from './registry.ts'

const SCOPE = 'forebay'

/** The tracer of a provider, or of the one that is registered; undefined: nobody records spans. */
export function tracerOf(provider: TracerProvider | false | undefined): Tracer | undefined {
  if (provider === false) return undefined
  const chosen = provider ?? trace.getTracerProvider()
  return chosen instanceof ProxyTracerProvider ? chosen.getDelegateTracer(SCOPE) : chosen.getTracer(SCOPE)
}

/** The same of metrics. */
export function meterOf(provider: MeterProvider | false | undefined): Meter | undefined {
  if (provider === false) return undefined
  const meter = (provider ?? metrics.getMeterProvider()).getMeter(SCOPE)
  return meter instanceof createNoopMeter().constructor ? undefined : meter
}

/** Who is told what a histogram is told. */
export function mirrorOf(meter: Meter): (metric: Metric) => Mirror | undefined {
  const made = new Map<Metric, Mirror>()
  return (metric) => {
    const known = made.get(metric)
    if (known) return known
    const { name, unit, help, buckets } = metric
    const advice = { explicitBucketBoundaries: [...(buckets?.bounds ?? [])] }
    const histogram = meter.createHistogram(name, { unit, description: help, advice })
    const mirror: Mirror = (value, attributes) => histogram.record(value, attributes)
    made.set(metric, mirror)
    return mirror
  }
}

/**
 * Offers the counters and gauges of the registry to the SDK.
 * @param refresh Brings the gauges up to date; awaited at each collection.
 * @returns What takes them away again.
 */
export function offerTo(meter: Meter, registry: Registry, refresh: () => Promise<void>): () => void {
  const observables = new Map<Metric, Observable>()
  for (const metric of Object.values<Metric>(METRICS)) {
    const { kind, name, unit, help } = metric
    const options = { unit, description: help }
    if (kind === 'counter') observables.set(metric, meter.createObservableCounter(name, options))
    if (kind === 'gauge') observables.set(metric, meter.createObservableGauge(name, options))
  }
  const observe: BatchObservableCallback = async (result) => {
    await refresh()
    for (const [metric, family] of registry.families()) {
      const observable = observables.get(metric)
      if (!observable) continue
      for (const series of family) {
        if (series instanceof Histogram || series.value === undefined) continue
        result.observe(observable, series.value, series.attributes)
      }
    }
  }
  const all = [...observables.values()]
  meter.addBatchObservableCallback(observe, all)
  return () => meter.removeBatchObservableCallback(observe, all)
}
