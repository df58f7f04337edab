/**
 * The families side by side: of each limit the goodput in % of the best fixed limit's, and the % of the time with more in flight
 * than 1.5 x the best; of both the median over the members and, in brackets, the worst tenth.
 */

import { FAMILIES, type Family, memberOf } from './families.ts'
import { bestFixed, INITIAL, LIMITS } from './limits.ts'
import { type Result, simulate } from './simulation.ts'
import { quantile } from './statistics.ts'

/** More than any member can use. */
const MOST = 2_000

interface Summary {
  readonly goodput: number
  readonly worstGoodput: number
  readonly over: number
  readonly worstOver: number
  readonly refused: number
}

/** @param told Called with each line of the table as soon as it is known. */
export function familiesTable(seeds: readonly number[], only: string, told: (line: string) => void) {
  const names = Object.keys(LIMITS)
  told(`| family | best fixed: over | ${names.join(' | ')} | adaptive: refused |`)
  told(`|${'---|'.repeat(names.length + 3)}`)
  const all = new Map<string, Result[]>()
  const plain = FAMILIES.filter(({ name }) => name.includes(only)).map((family) => {
    const measured = membersOf(family, seeds)
    for (const [name, results] of measured) all.set(name, [...(all.get(name) ?? []), ...results])
    told(lineOf(family.name, measured))
    return { family: family.name, draws: family.draws, ...summariesOf(measured) }
  })
  told(lineOf('all of them', all))
  return [...plain, { family: 'all of them', ...summariesOf(all) }]
}

/** Of each limit, its results on all members; goodput in % of the best fixed limit's. */
function membersOf(family: Family, seeds: readonly number[]): Map<string, Result[]> {
  const measured = new Map<string, Result[]>()
  const add = (name: string, result: Result) => measured.set(name, [...(measured.get(name) ?? []), result])
  for (const seed of seeds) {
    const fixed = bestFixed(() => memberOf(family, seed).downstream, seed)
    add('best fixed', fixed)
    for (const [name, make] of Object.entries(LIMITS)) {
      const { downstream, initial = INITIAL } = memberOf(family, seed)
      const result = simulate(downstream, make(initial, MOST, seed), seed)
      add(name, { ...result, goodput: (100 * result.goodput) / fixed.goodput })
    }
  }
  return measured
}

function summaryOf(results: readonly Result[]): Summary {
  const of = (field: keyof Result, share: number) =>
    quantile(
      results.map((result) => result[field]),
      share,
    )
  return {
    goodput: of('goodput', 0.5),
    worstGoodput: of('goodput', 0.1),
    over: of('over', 0.5),
    worstOver: of('over', 0.9),
    refused: of('refused', 0.5),
  }
}

function summariesOf(measured: ReadonlyMap<string, readonly Result[]>): Record<string, Summary> {
  return Object.fromEntries([...measured].map(([name, results]) => [name, summaryOf(results)]))
}

function lineOf(name: string, measured: ReadonlyMap<string, readonly Result[]>): string {
  const of = (limit: string) => summaryOf(measured.get(limit) ?? [])
  const cells = Object.keys(LIMITS).map((limit) => {
    const { goodput, worstGoodput, over, worstOver } = of(limit)
    return `${goodput.toFixed(1)} (${worstGoodput.toFixed(1)}) / ${over.toFixed(1)} (${worstOver.toFixed(1)})`
  })
  const fixed = of('best fixed')
  const overFixed = `${fixed.over.toFixed(1)} (${fixed.worstOver.toFixed(1)})`
  return `| ${name} | ${overFixed} | ${cells.join(' | ')} | ${of('adaptive').refused.toFixed(2)}% |`
}
