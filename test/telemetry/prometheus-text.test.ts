/** The text as a parser of another hand reads it, by the rules that promtool checks, and as OpenMetrics asks. */

import fc from 'fast-check'
import parse from 'parse-prometheus-text-format'
import { describe, expect, it, test } from 'vitest'
import { METRICS, type Metric } from '../../packages/forebay/src/telemetry/metrics.ts'
import { prometheusName } from '../../packages/forebay/src/telemetry/prometheus-names.ts'
import { CONTENT_TYPES, formatFor, metricsText } from '../../packages/forebay/src/telemetry/prometheus-text.ts'
import { Registry } from '../../packages/forebay/src/telemetry/registry.ts'
import { everything } from './everything.ts'

const metrics = Object.values<Metric>(METRICS)
const samplesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

describe('the Prometheus text', () => {
  it('is read by another parser: every metric, its type, its help and its series', () => {
    const families = parse(everything('prometheus'))
    expect(families.map(({ name, type, help }) => ({ name, type, help }))).toEqual(
      metrics.map((metric) => ({
        name: prometheusName(metric),
        type: metric.kind.toUpperCase(),
        help: metric.help,
      })),
    )
    // Of a histogram with labels this parser keeps the last buckets only: those are read below.
    for (const family of families.filter(({ type }) => type !== 'HISTOGRAM')) {
      const metric = metrics.find((one) => prometheusName(one) === family.name)
      // Without labels there is one series, whatever was asked for.
      expect(family.metrics).toHaveLength(metric?.labels.length === 0 ? 1 : 2)
      expect(Object.keys(family.metrics[0]?.labels ?? {})).toEqual(metric?.labels)
      for (const { value } of family.metrics) expect(Number(value)).toBeGreaterThan(0)
    }
  })

  it('has histograms whose buckets never fall, end in +Inf and agree with count and sum', () => {
    const lines = samplesOf(everything('prometheus', 1))
    const histograms = metrics.filter(({ kind }) => kind === 'histogram').map(prometheusName)
    for (const name of histograms) {
      const of = (suffix: string) => lines.filter((line) => line.startsWith(`${name}${suffix}{`))
      const buckets = of('_bucket').map((line) => /le="([^"]+)"\} (\d+)$/.exec(line)?.slice(1) ?? [])
      const bounds = buckets.map(([bound]) => (bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)))
      const counts = buckets.map(([, count]) => Number(count))
      expect(bounds).toEqual(bounds.toSorted((one, other) => one - other))
      expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY)
      expect(counts).toEqual(counts.toSorted((one, other) => one - other))
      // 0, 0.003, 0.5, 1, 90 and a million seconds were recorded.
      expect(counts[0]).toBe(1)
      expect([counts.at(-1), of('_count')[0]?.split(' ').at(-1)]).toEqual([6, '6'])
      expect(Number(of('_sum')[0]?.split(' ').at(-1))).toBeCloseTo(1_000_091.503, 3)
      const upToOne = counts[bounds.findIndex((bound) => bound >= 1)]
      expect(upToOne).toBe(4)
    }
    expect(histograms.length).toBeGreaterThan(3)
  })

  it('law: whatever a label holds, the parser reads it back', () => {
    // The parser itself takes no line for one with a carriage return in it, nor a label that is empty.
    const texts = fc.string({ unit: fc.constantFrom(...'ab"\\n\n{}=, é☃'), minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(texts, texts, (queue, type) => {
        const registry = new Registry()
        registry.series(METRICS.offered, { queue, type }).add(7)
        const [line = ''] = samplesOf(metricsText(registry))
        const read = /^forebay_tasks_offered_total\{queue="((?:[^"\\\n]|\\.)*)",type="((?:[^"\\\n]|\\.)*)"\} 7$/.exec(
          line,
        )
        const plain = (text = '') => text.replace(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one))
        expect([plain(read?.[1]), plain(read?.[2])]).toEqual([queue, type])
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('what promtool would find fault with', () => {
  const UNITS =
    /_(milliseconds|microseconds|nanoseconds|minutes|hours|days|kilobytes|megabytes|bits|percent|grams|celsius)(_|$)/
  const ABBREVIATED = /_(s|ms|us|ns|sec|b|kb|mb|gb|m|h|d)(_|$)/

  test.each(metrics.map((metric) => [prometheusName(metric), metric] as const))('%s: nothing', (name, metric) => {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(metric.help).not.toBe('')
    expect(name.endsWith('_total')).toBe(metric.kind === 'counter')
    expect(name).not.toMatch(/_(bucket|count|sum|info)$/)
    expect(name).not.toMatch(/(counter|gauge|histogram|summary)/)
    expect(name).not.toMatch(UNITS)
    expect(name).not.toMatch(ABBREVIATED)
    for (const label of metric.labels) expect(label).toMatch(/^(?!le$|quantile$|__)[a-z][a-z0-9_]*$/)
    expect(new Set(metric.labels).size).toBe(metric.labels.length)
    // A histogram of time is in seconds, and says so.
    if (metric.kind === 'histogram') expect(name).toMatch(/_seconds$/)
  })

  it('no name and no series twice, HELP and TYPE once before the samples of each', () => {
    const text = everything('prometheus', 5)
    expect(new Set(metrics.map(prometheusName)).size).toBe(metrics.length)
    const series = samplesOf(text).map((line) => line.replace(/ \S+$/, ''))
    expect(new Set(series).size).toBe(series.length)
    let family = ''
    const seen = new Set<string>()
    for (const line of text.trimEnd().split('\n')) {
      const [, keyword, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? []
      if (keyword === 'HELP') {
        expect(seen).not.toContain(name)
        seen.add(name)
        family = name
      } else if (keyword === 'TYPE') expect(name).toBe(family)
      else expect(line.startsWith(family)).toBe(true)
    }
  })
})

describe('OpenMetrics', () => {
  const text = everything('openmetrics')

  it('ends in EOF, names the families of counters without _total and gives units that the names end in', () => {
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    const counters = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name)
    expect(counters.length).toBe(metrics.filter(({ kind }) => kind === 'counter').length)
    for (const name of counters) {
      expect(name).not.toMatch(/_total$/)
      expect(text).toMatch(new RegExp(`^${name}_total[{ ]`, 'm'))
    }
    const units = [...text.matchAll(/^# UNIT (\S+) (\S+)$/gm)]
    expect(units.length).toBeGreaterThan(5)
    for (const [, name, unit] of units) expect(name?.endsWith(`_${unit}`)).toBe(true)
  })

  it('has the samples of the Prometheus text', () => {
    expect(samplesOf(text)).toEqual(samplesOf(everything('prometheus')))
  })
})

describe('which of them a caller gets', () => {
  // As Prometheus 2 and 3 ask.
  const PROMETHEUS =
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

  test.each([
    [undefined, 'prometheus'],
    ['', 'prometheus'],
    ['*/*', 'prometheus'],
    ['text/plain', 'prometheus'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'prometheus'],
    [PROMETHEUS, 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text; version=1.0.0', 'openmetrics'],
    ['application/openmetrics-text;q=0', 'prometheus'],
    ['application/openmetrics-text;q=nonsense', 'prometheus'],
    ['application/openmetrics-text;q=0.2,text/plain;q=0.9', 'prometheus'],
  ] as const)('%j: %s', (accept, format) => {
    expect(formatFor(accept)).toBe(format)
    expect(CONTENT_TYPES[format]).toContain(format === 'openmetrics' ? 'version=1.0.0' : 'version=0.0.4')
  })
})
