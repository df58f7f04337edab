/**
 * The registry as text: the Prometheus format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) or OpenMetrics 1.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/), which differ in the name of a counter's family, the unit and the end.
 */

import type { Label, Metric } from './metrics.ts'
import { familyName, prometheusName, unitName } from './prometheus-names.ts'
import { type Counter, type Gauge, Histogram, type LabelValues, type Registry } from './registry.ts'

export type TextFormat = 'prometheus' | 'openmetrics'

export const CONTENT_TYPES = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const satisfies Record<TextFormat, string>

/** OpenMetrics if the caller prefers it, or likes it as well as anything else. */
export function formatFor(accept = ''): TextFormat {
  const weights = accept.split(',').map((range) => {
    const [media = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const given = parameters.find((parameter) => parameter.startsWith('q='))
    const weight = given === undefined ? 1 : Number(given.slice(2))
    return { media, weight: Number.isNaN(weight) ? 0 : weight }
  })
  const best = (of: readonly string[]) =>
    Math.max(0, ...weights.filter(({ media }) => of.includes(media)).map(({ weight }) => weight))
  const openmetrics = best(['application/openmetrics-text'])
  return openmetrics > 0 && openmetrics >= best(['text/plain', 'text/*', '*/*']) ? 'openmetrics' : 'prometheus'
}

export function metricsText(registry: Registry, format: TextFormat = 'prometheus'): string {
  const lines: string[] = []
  for (const [metric, family] of registry.families()) {
    const shown = [...family].filter(isKnown)
    if (shown.length === 0) continue
    const name = format === 'openmetrics' ? familyName(metric) : prometheusName(metric)
    lines.push(`# HELP ${name} ${escaped(metric.help, format === 'openmetrics')}`, `# TYPE ${name} ${metric.kind}`)
    const unit = unitName(metric.unit)
    if (format === 'openmetrics' && (unit === 'seconds' || unit === 'bytes')) lines.push(`# UNIT ${name} ${unit}`)
    for (const series of shown) writeSeries(lines, metric, series)
  }
  if (format === 'openmetrics') lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

function isKnown(series: Counter | Gauge | Histogram): boolean {
  return series instanceof Histogram || series.value !== undefined
}

function writeSeries(lines: string[], metric: Metric, series: Counter | Gauge | Histogram): void {
  const name = prometheusName(metric)
  if (!(series instanceof Histogram)) {
    lines.push(`${name}${labelText(series.labels)} ${numberText(series.value as number)}`)
    return
  }
  const bounds = [...(metric.buckets?.bounds ?? []), Number.POSITIVE_INFINITY]
  let below = 0
  for (const [index, bound] of bounds.entries()) {
    below += series.counts[index] as number
    lines.push(`${name}_bucket${labelText(series.labels, numberText(bound))} ${below}`)
  }
  lines.push(`${name}_sum${labelText(series.labels)} ${numberText(series.sum)}`)
  lines.push(`${name}_count${labelText(series.labels)} ${series.count}`)
}

function labelText(labels: LabelValues, le?: string): string {
  const pairs = Object.entries(labels) as [Label | 'le', string][]
  if (le !== undefined) pairs.push(['le', le])
  return pairs.length === 0 ? '' : `{${pairs.map(([label, value]) => `${label}="${escaped(value, true)}"`).join(',')}}`
}

function escaped(text: string, quotes: boolean): string {
  const plain = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return quotes ? plain.replaceAll('"', '\\"') : plain
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
