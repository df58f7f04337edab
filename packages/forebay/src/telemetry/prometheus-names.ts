/**
 * A metric's name with Prometheus, from its OpenTelemetry name and unit, as the compatibility specification has it
 * (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/): dots become underscores, the unit is a suffix in
 * full, what stands in braces is none, and counters end in `_total`.
 */

import type { Metric } from './metrics.ts'

const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes', '1': 'ratio', '{task}/s': 'per_second' }

/** Without the `_total` of a counter: the name of an OpenMetrics family. */
export function familyName({ name, unit }: Metric): string {
  const suffix = unitName(unit)
  return `${name.replaceAll('.', '_')}${suffix === undefined ? '' : `_${suffix}`}`
}

export function prometheusName(metric: Metric): string {
  return metric.kind === 'counter' ? `${familyName(metric)}_total` : familyName(metric)
}

/** Undefined where there is none. */
export function unitName(unit: string): string | undefined {
  return UNITS[unit]
}
