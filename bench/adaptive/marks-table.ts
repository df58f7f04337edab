/** The table with marks: goodput in % of the capacity / % of the time with more in flight than 1.5 x the best; medians over the seeds. */

import { bestFixed, INITIAL, LIMITS, type Make } from './limits.ts'
import { FixedLimit } from './rivals.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import { type Result, simulate } from './simulation.ts'
import { median } from './statistics.ts'

const MOST = 1_000

export function marksTable(seeds: readonly number[], only: string) {
  const rows = SCENARIOS.filter(({ name }) => name.includes(only)).map((scenario) => {
    const { limit } = bestFixed(() => ({ ...scenario.downstream(1) }), 1)
    const makers = { 'best fixed': () => new FixedLimit(limit), ...LIMITS }
    const results = Object.entries(makers).map(([name, make]) => [name, medians(scenario, make, seeds)] as const)
    return { scenario, results: new Map<string, Result>(results) }
  })
  return {
    plain: rows.map(({ scenario, results }) => ({ scenario: scenario.name, ...Object.fromEntries(results) })),
    lines: linesOf(rows),
  }
}

function medians(scenario: Scenario, make: Make, seeds: readonly number[]): Result {
  const initial = scenario.initial ?? INITIAL
  const results = seeds.map((seed) => simulate(scenario.downstream(seed), make(initial, MOST, seed), seed))
  const of = (field: keyof Result) => median(results.map((result) => result[field]))
  return { goodput: of('goodput'), over: of('over'), refused: of('refused') }
}

function linesOf(
  rows: readonly { readonly scenario: Scenario; readonly results: ReadonlyMap<string, Result> }[],
): string[] {
  const names = ['best fixed', ...Object.keys(LIMITS)]
  return [
    `| scenario | ${names.join(' | ')} | mark | adaptive against the mark |`,
    `|${'---|'.repeat(names.length + 3)}`,
    ...rows.map(({ scenario, results }) => {
      const ours = results.get('adaptive') as Result
      const refused = scenario.refusedMark === undefined ? '' : ` (${ours.refused.toFixed(2)}% refused)`
      const verdict = scenario.mark ? (missed(scenario, ours) ? 'missed' : 'reached') : '-'
      const cells = names.map((name) => figure(results.get(name) as Result))
      return `| ${scenario.name} | ${cells.join(' | ')} | ${markOf(scenario)} | ${verdict}${refused} |`
    }),
  ]
}

function missed({ mark, refusedMark }: Scenario, { goodput, over, refused }: Result): boolean {
  if (!mark) return false
  return goodput < mark[0] || over > mark[1] || refused > (refusedMark ?? 100)
}

function figure({ goodput, over }: Result): string {
  return `${goodput.toFixed(1)}/${over.toFixed(1)}`
}

function markOf({ mark, refusedMark }: Scenario): string {
  if (!mark) return '-'
  return refusedMark === undefined ? `>= ${mark[0]} / <= ${mark[1]}` : `>= ${mark[0]}, <= ${refusedMark}% refused`
}
