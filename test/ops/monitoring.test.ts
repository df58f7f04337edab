/**
 * The alert rules and the dashboard: each expression is PromQL, and names nothing but metrics, labels and label values that the registry
 * really shows. A metric that is renamed makes its alert fall silent; here it fails.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { parse } from 'yaml'
import { ERROR_CODES } from '../../packages/forebay/src/errors.ts'
import { METRICS, type Metric } from '../../packages/forebay/src/telemetry/metrics.ts'
import { OPERATIONS } from '../../packages/forebay/src/telemetry/observed-service.ts'
import { prometheusName } from '../../packages/forebay/src/telemetry/prometheus-names.ts'
import { ROOT } from '../run-tool.ts'
import { readPromQl } from './promql.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] }
}

const read = (path: string) => readFileSync(join(ROOT, 'ops', path), 'utf8')
const { groups } = parse(read('prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(read('grafana/forebay.json')) as Dashboard
const shown = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((one) => [title, one] as const))

/** Every series by its name, with its labels. */
const SERIES = new Map<string, readonly string[]>(
  Object.values<Metric>(METRICS).flatMap((metric): [string, readonly string[]][] => {
    const name = prometheusName(metric)
    if (metric.kind !== 'histogram') return [[name, metric.labels]]
    return [
      [`${name}_bucket`, [...metric.labels, 'le']],
      [`${name}_sum`, metric.labels],
      [`${name}_count`, metric.labels],
    ]
  }),
)

/** What Prometheus itself puts on each series. */
const OF_THE_SCRAPE = ['instance', 'job']

/** The values that a label can have, where there is a closed set of them. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  state: ['ready', 'delayed', 'in_flight', 'dead', 'spilled', 'running', 'paused', 'closed', 'open', 'half-open'],
  outcome: ['completed', 'retried', 'dead'],
  operation: OPERATIONS,
  code: Object.keys(ERROR_CODES),
}

/** As Grafana fills it in. */
const filledIn = (expression: string) =>
  expression.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h').replaceAll('$queue', 'orders')

function checkExpression(expression: string): void {
  const { selected, grouped } = readPromQl(expression)
  expect(selected.length).toBeGreaterThan(0)
  const labels = new Set(OF_THE_SCRAPE)
  for (const { series, matched } of selected) {
    const known = SERIES.get(series)
    expect(known, `${series} is no series of the registry`).toBeDefined()
    for (const label of known ?? []) labels.add(label)
    for (const { label, operator, value } of matched) {
      expect([...(known ?? []), ...OF_THE_SCRAPE], `${series}{${label}}`).toContain(label)
      const values = operator.endsWith('~') ? value.split('|') : [value]
      const possible = VALUES[label]
      for (const one of possible ? values : []) expect(possible, `${label}="${one}"`).toContain(one)
    }
  }
  for (const label of grouped) expect([...labels]).toContain(label)
}

describe('the alert rules', () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))('%s', (name, rule) => {
    expect(name).toMatch(/^Forebay[A-Z][A-Za-z]+$/)
    checkExpression(rule.expr)
    expect(rule.for ?? '0m').toMatch(/^\d+[mh]$/)
    expect(['info', 'warning', 'critical']).toContain(rule.labels.severity)
    expect(rule.annotations.description).not.toBe('')
    // A label that the expression aggregates away would print as nothing.
    const { grouped } = readPromQl(rule.expr)
    const printed = [...JSON.stringify(rule.annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label)
    for (const label of printed) expect(grouped).toContain(label)
  })

  it('are there for what can go wrong, each once', () => {
    const names = rules.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(
      expect.arrayContaining([
        'ForebayBacklogNotDraining',
        'ForebayOldestTaskTooOld',
        'ForebayDeadLetters',
        'ForebayBreakerOpen',
        'ForebayNoConsumer',
        'ForebayLeaseLosses',
        'ForebayErrorRatio',
        'ForebayBackendErrors',
      ]),
    )
  })
})

describe('the dashboard', () => {
  test.each(shown)('%s', (_title, { expr, legendFormat }) => {
    checkExpression(filledIn(expr))
    // A legend that names a label which the expression has aggregated away would be empty.
    const { grouped } = readPromQl(filledIn(expr))
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(grouped).toContain(label)
  })

  it('has a panel for every metric', () => {
    const used = new Set(
      shown.flatMap(([, { expr }]) => readPromQl(filledIn(expr)).selected.map(({ series }) => series)),
    )
    const unseen = Object.values<Metric>(METRICS).filter(
      (metric) => ![...used].some((series) => series.replace(/_(bucket|count|sum)$/, '') === prometheusName(metric)),
    )
    expect(unseen.map(prometheusName)).toEqual([])
  })

  it('uses the variables that it has, and asks a label that is there for its queues', () => {
    const variables = dashboard.templating.list.map(({ name }) => name)
    const used = new Set([...read('grafana/forebay.json').matchAll(/\$\{?([a-z]\w*)/g)].map(([, name]) => name))
    expect([...used].toSorted()).toEqual(variables.toSorted())
    const [, series = '', label = ''] = /label_values\((\w+), (\w+)\)/.exec(JSON.stringify(dashboard.templating)) ?? []
    expect(SERIES.get(series)).toContain(label)
  })

  it('has panels with ids of their own that do not lie on each other', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const [index, { gridPos: one }] of panels.entries()) {
      expect(one.x + one.w).toBeLessThanOrEqual(24)
      for (const { gridPos: other } of panels.slice(index + 1)) {
        const apart = one.x + one.w <= other.x || other.x + other.w <= one.x
        expect(apart || one.y + one.h <= other.y || other.y + other.h <= one.y).toBe(true)
      }
    }
  })
})

describe('the reader of expressions', () => {
  it('refuses what is no PromQL, and sees every selector and label', () => {
    expect(() => readPromQl('sum(rate(x[5m])')).toThrow(/Not PromQL/)
    expect(() => readPromQl('max by (queue x')).toThrow(/Not PromQL/)
    expect(readPromQl('sum by (a, b) (rate(x_total{c=~"d|e"}[5m])) / on (f) y')).toEqual({
      selected: [
        { series: 'x_total', matched: [{ label: 'c', operator: '=~', value: 'd|e' }] },
        { series: 'y', matched: [] },
      ],
      grouped: ['a', 'b', 'f'],
    })
  })
})
