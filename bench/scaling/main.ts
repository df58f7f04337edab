/**
 * Policies that scale workers, side by side, on recorded and on drawn days. All time is simulated.
 *
 *     npm run bench:scaling                all days
 *     npm run bench:scaling -- --only x20  those whose title has this in it; with --json as JSON
 *
 * Of the drawn days 1 and 2 were looked at while the policy was written; 3 and 4 were not.
 *
 * x: billed worker-seconds as a multiple of the work itself. The one default of Forebay has no setting but the objective, the start-up
 * and the control period; where others have a target it is the one that their documentation or hindsight gives them.
 */

import { parseArgs } from 'node:util'
import { clairvoyant } from './clairvoyant.ts'
import { drawnDay, type Load, languageModelHour, nasaDay } from './loads.ts'
import { percentile } from './percentile.ts'
import { backlogPerWorker, forebay, leastStatic, sloFloat, squareRootStaffing } from './policies.ts'
import { type Policy, type Setup, simulate } from './simulation.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean' }, only: { type: 'string', default: '' } } })

const setup = (slo: number): Setup => ({ startUp: 30, control: 15, slo })
const DAYS: readonly (readonly [title: string, load: () => Load, setup: Setup])[] = [
  ['NASA day x50, tasks of 100 ms, SLO 60 s', () => nasaDay(50), setup(60)],
  ['NASA day x20, tasks of 100 ms, SLO 30 s', () => nasaDay(20), setup(30)],
  ['language model, an hour, 20 tokens/s a worker, SLO 60 s', () => languageModelHour(20), setup(60)],
  ['drawn day 3 (not tuned on), tasks of 200 ms, SLO 60 s', () => drawnDay(3, 40), setup(60)],
  ['drawn day 4 (not tuned on), tasks of 200 ms, SLO 30 s', () => drawnDay(4, 40), setup(30)],
]

interface Row {
  readonly policy: string
  readonly x: number
  readonly p99: number | undefined
  readonly max: number | undefined
  readonly startUps: number | undefined
}

function rowsOf(load: Load, setup: Setup): Row[] {
  const service = load.work / load.at.length
  const perWorker = setup.slo / service
  const least = leastStatic(load, setup)
  const policies: [string, Policy, first?: number][] = [
    ['Forebay, the default', forebay(setup)],
    ['KEDA queueLength 5, 300 s', backlogPerWorker(5, 300, setup)],
    ['KEDA 0.75 SLO mu, 60 s', backlogPerWorker(0.75 * perWorker, 60, setup)],
    ['AWS backlog per instance', backlogPerWorker(perWorker, 60, setup)],
    ['rate + square root', squareRootStaffing(service, setup)],
    ['SLO float', sloFloat(service, setup)],
    [`static ${least} (hindsight)`, () => least, least],
  ]
  const rows = policies.map(([policy, decide, first]): Row => {
    const { waits, billed, startUps } = simulate(load, decide, setup, first)
    const max = waits.reduce((most, wait) => Math.max(most, wait), 0)
    return { policy, x: billed / load.work, p99: percentile(waits, 0.99), max, startUps }
  })
  const bound = { policy: 'clairvoyant, fluid', x: clairvoyant(load, setup) / load.work }
  return [...rows, { ...bound, p99: undefined, max: undefined, startUps: undefined }]
}

const whole = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(0))
const tables = DAYS.filter(([title]) => title.includes(values.only)).map(([title, load, setup]) => {
  const rows = rowsOf(load(), setup)
  if (!values.json) {
    console.log(`\n${title}; start-up ${setup.startUp} s, control each ${setup.control} s`)
    console.log('| policy | x of the work | p99 wait, s | max wait, s | start-ups | SLO |\n|---|---|---|---|---|---|')
    for (const { policy, x, p99, max, startUps } of rows) {
      const verdict = p99 === undefined ? '-' : p99 <= setup.slo ? 'met' : 'missed'
      console.log(
        `| ${policy} | ${x.toFixed(3)} | ${p99?.toFixed(1) ?? '-'} | ${max?.toFixed(1) ?? '-'} | ${whole(startUps)} | ${verdict} |`,
      )
    }
  }
  return { title, ...setup, rows }
})
if (values.json) console.log(JSON.stringify(tables, undefined, 2))
