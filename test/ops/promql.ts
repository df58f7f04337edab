/** PromQL, as far as a test must know it: what an expression selects, and the labels that it speaks of. */

import { parser } from '@prometheus-io/lezer-promql'

export interface Selected {
  /** The name of the series: with `_bucket`, `_sum` or `_count` for a histogram. */
  readonly series: string
  readonly matched: readonly { readonly label: string; readonly value: string; readonly operator: string }[]
}

export interface ReadExpression {
  readonly selected: readonly Selected[]
  /** What is grouped by, joined on, and so on. */
  readonly grouped: readonly string[]
}

/** @throws Error that shows what cannot be parsed. */
export function readPromQl(expression: string): ReadExpression {
  const selected: { series: string; matched: Selected['matched'][number][] }[] = []
  const grouped: string[] = []
  const cursor = parser.parse(expression).cursor()
  do {
    const text = expression.slice(cursor.from, cursor.to)
    if (cursor.type.isError) throw new Error(`Not PromQL at ${cursor.from}: ${expression}`)
    if (cursor.name === 'VectorSelector') selected.push({ series: '', matched: [] })
    const last = selected.at(-1)
    if (cursor.name === 'Identifier' && last) last.series = text
    if (cursor.name === 'UnquotedLabelMatcher' && last) {
      const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(text) ?? []
      last.matched.push({ label, operator, value })
    }
    if (cursor.name === 'GroupingLabels') grouped.push(...text.replace(/[()\s]/g, '').split(','))
  } while (cursor.next())
  return { selected, grouped }
}
