/** A registry in which every metric has some series: what a busy process shows. */

import { METRICS, type Metric } from '../../packages/forebay/src/telemetry/metrics.ts'
import { metricsText, type TextFormat } from '../../packages/forebay/src/telemetry/prometheus-text.ts'
import { type LabelValues, Registry } from '../../packages/forebay/src/telemetry/registry.ts'

export function fill(registry: Registry, labelsOf: (metric: Metric, nth: number) => LabelValues, times: number): void {
  for (const metric of Object.values<Metric>(METRICS)) {
    for (let nth = 0; nth < times; nth++) {
      const series = registry.series(metric, labelsOf(metric, nth))
      if ('record' in series) for (const value of [0, 0.003, 0.5, 1, 90, 1e6]) series.record(value * (nth + 1))
      else if ('add' in series) series.add(nth + 1)
      else series.set(nth + 0.5)
    }
  }
}

/** `times` series of each metric. */
export function everything(format: TextFormat, times = 2): string {
  const registry = new Registry({ maxSeries: 100_000 })
  const labelsOf = (metric: Metric, nth: number) =>
    Object.fromEntries(metric.labels.map((label) => [label, `${label}-${nth}`]))
  fill(registry, labelsOf, times)
  return metricsText(registry, format)
}
