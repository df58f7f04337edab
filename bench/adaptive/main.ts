/**
 * Limits on concurrency side by side, on simulated downstreams: goodput in % of the capacity / % of the time with more in
 * flight than 1.5 x the best. Medians over ten seeds. All time is simulated.
 *
 *     npm run bench:adaptive            the table; with --json as JSON, with --seeds 3 quicker
 */

import { parseArgs } from 'node:util'
import { AdaptiveLimit } from '../../packages/forebay/src/flow/adaptive-limit.ts'
import { AimdLimit } from '../../packages/forebay/src/flow/aimd-limit.ts'
import type { ConcurrencyLimit } from '../../packages/forebay/src/flow/concurrency-limit.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { EnvoyLikeLimit, FixedLimit, Gradient2Limit, median, VegasLimit } from './rivals.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import { bestInFlight, type Result, simulate } from './simulation.ts'

/** Where each limit starts that is not told otherwise. */
const INITIAL = 10
const BOUNDS = { min: 1, max: 1_000 }

type Make = (initial: number, seed: number) => ConcurrencyLimit

const limits: Readonly<Record<string, Make>> = {
  AIMD: (initial) => new AimdLimit(BOUNDS, initial),
  Vegas: (initial) => new VegasLimit(initial),
  Gradient2: (initial) => new Gradient2Limit(initial),
  'Envoy-like': (initial) => new EnvoyLikeLimit(initial),
  adaptive: (initial, seed) => new AdaptiveLimit(BOUNDS, initial, seededRandom(seed + 1_000).next),
}

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '10' }, json: { type: 'boolean' }, only: { type: 'string' } },
})
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1)

function medians(scenario: Scenario, make: Make, initial = scenario.initial ?? INITIAL): Result {
  const results = seeds.map((seed) => simulate(scenario.downstream(seed), make(initial, seed), seed))
  const of = (field: keyof Result) => median(results.map((result) => result[field]))
  return { goodput: of('goodput'), over: of('over'), refused: of('refused') }
}

/** The fixed limit with the most goodput on the first seed, of those near the best at the start; the smallest within 0.5%. */
function bestFixed(scenario: Scenario): Result {
  const near = bestInFlight(scenario.downstream(1), 0)
  const candidates = [0.4, 0.6, 0.8, 1, 1.2, 1.5].map((share) => Math.max(1, Math.round(share * near)))
  const tried = candidates.map((fixed) => {
    const downstream = scenario.downstream(1)
    const short = { ...downstream, durationMs: Math.min(downstream.durationMs, 600_000) }
    return { fixed, goodput: simulate(short, new FixedLimit(fixed), 1).goodput }
  })
  const most = Math.max(...tried.map(({ goodput }) => goodput))
  const best = tried.find(({ goodput }) => goodput > most - 0.5)
  return medians(scenario, () => new FixedLimit(best?.fixed ?? near))
}

function missed({ mark, refusedMark }: Scenario, { goodput, over, refused }: Result): boolean {
  if (!mark) return false
  return goodput < mark[0] || over > mark[1] || refused > (refusedMark ?? 100)
}

const figure = ({ goodput, over }: Result) => `${goodput.toFixed(1)}/${over.toFixed(1)}`

function markOf({ mark, refusedMark }: Scenario): string {
  if (!mark) return '-'
  return refusedMark === undefined ? `>= ${mark[0]} / <= ${mark[1]}` : `>= ${mark[0]}, <= ${refusedMark}% refused`
}

const scenarios = SCENARIOS.filter(({ name }) => name.includes(values.only ?? ''))
const rows = scenarios.map((scenario) => {
  const results = Object.entries(limits).map(([name, make]) => [name, medians(scenario, make)] as const)
  return { scenario, results: new Map([['best fixed', bestFixed(scenario)] as const, ...results]) }
})

if (values.json) {
  const plain = rows.map(({ scenario, results }) => ({ scenario: scenario.name, ...Object.fromEntries(results) }))
  console.log(JSON.stringify({ seeds: seeds.length, unit: '%', rows: plain }, undefined, 2))
} else {
  const names = ['best fixed', ...Object.keys(limits)]
  console.log(`| scenario | ${names.join(' | ')} | mark | adaptive against the mark |`)
  console.log(`|${'---|'.repeat(names.length + 3)}`)
  for (const { scenario, results } of rows) {
    const ours = results.get('adaptive') as Result
    const refused = scenario.refusedMark === undefined ? '' : ` (${ours.refused.toFixed(2)}% refused)`
    const verdict = scenario.mark ? (missed(scenario, ours) ? 'missed' : 'reached') : '-'
    const cells = names.map((name) => figure(results.get(name) as Result))
    console.log(`| ${scenario.name} | ${cells.join(' | ')} | ${markOf(scenario)} | ${verdict}${refused} |`)
  }
}
