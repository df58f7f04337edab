/**
 * The planner's forecast against a real run: a plan is made for the shipped trace, and then carried out: one process offers the
 * load, as many worker processes as the plan says share a queue on SQLite and its rate, and post each task to a sink in a process
 * of its own, which answers after the task's service time and writes down when it came.
 *
 *     npm run bench:plan                                         ten minutes in thirty seconds
 *     npm run bench:plan -- --speed 10 --slo "p99 wait < 8s" --service-time exp:150ms --worker-concurrency 8
 *
 * With --json as JSON.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { parseObjective } from '../../packages/forebay/src/planner/objective.ts'
import { type Forecast, makePlan, type Setting } from '../../packages/forebay/src/planner/plan.ts'
import { parseServiceTime, serviceTimes } from '../../packages/forebay/src/planner/service-time.ts'
import { SimulationThreads } from '../../packages/forebay/src/planner/simulation-threads.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { queueDoor } from '../../packages/forebay/src/replay/doors.ts'
import { judgeDownstream } from '../../packages/forebay/src/replay/downstream.ts'
import { figuresOf, type ReplayFigures } from '../../packages/forebay/src/replay/figures.ts'
import { localProbe } from '../../packages/forebay/src/replay/queue-probe.ts'
import { replayThroughQueue } from '../../packages/forebay/src/replay/run-replay.ts'
import { readTrace } from '../../packages/forebay/src/replay/trace.ts'

const TRACE = new URL('../../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)
const RUN = 'bench'

const { values } = parseArgs({
  options: {
    speed: { type: 'string', default: '20' },
    slo: { type: 'string', default: 'p99 wait < 5s' },
    'service-time': { type: 'string', default: 'exp:150ms' },
    'worker-concurrency': { type: 'string', default: '8' },
    json: { type: 'boolean' },
  },
})
const speed = Number(values.speed)
const { arrivalsMs } = await readTrace(TRACE, { speed })
const serviceTime = parseServiceTime(values['service-time'])
const plan = await makePlan({
  load: { arrivalsMs, serviceMs: serviceTimes(serviceTime, arrivalsMs.length) },
  objective: parseObjective(values.slo),
  workerConcurrency: Number(values['worker-concurrency']),
  simulate: (options) => new SimulationThreads().simulate(options),
})
if (!plan.chosen) throw new Error(plan.verdict.reasons.join(' '))
const { setting, forecast } = plan.chosen
const measured = await carryOut(setting)
print(setting, forecast, measured)

async function carryOut({ ratePerSecond, workers, workerConcurrency }: Setting): Promise<ReplayFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-bench-plan-'))
  const storage = `sqlite:${join(folder, 'q.db')}`
  const children: ChildProcess[] = []
  const start = async (file: string, ...args: string[]) => {
    const child = fork(join(import.meta.dirname, file), args, { stdio: 'inherit' })
    children.push(child)
    const [said] = (await once(child, 'message')) as [unknown]
    return said
  }
  const queue = await LoadLevelingQueue.open(storage)
  try {
    const port = await start('sink.process.ts', values['service-time'], String(arrivalsMs.length))
    const sink = `http://127.0.0.1:${port}`
    for (let worker = 0; worker < workers; worker++) {
      await start('worker.process.ts', storage, String(ratePerSecond), String(workerConcurrency), sink)
    }
    const { record } = await replayThroughQueue({
      dueMs: arrivalsMs,
      door: queueDoor(queue, RUN).knock,
      downstream: judgeDownstream(new URL(`${sink}/arrivals`), RUN),
      rate: ratePerSecond,
      probe: localProbe(queue),
      load: { clock: systemClock },
    })
    return figuresOf(record)
  } finally {
    for (const child of children) child.kill()
    await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')))
    await queue.close()
    await rm(folder, { recursive: true })
  }
}

function print(chosen: Setting, { waitMs, peakWaiting }: Forecast, seen: ReplayFigures): void {
  const rows = [
    rowOf('peak depth', peakWaiting, seen.depth.peak),
    rowOf('wait p50, ms', waitMs.p50, seen.waitMs.p50),
    rowOf('wait p99, ms', waitMs.p99, seen.waitMs.p99),
    rowOf('wait max, ms', waitMs.max, seen.waitMs.max),
  ]
  const { offered, completed, failed, lost, maxStarts } = seen
  const run = {
    speed,
    objective: values.slo,
    serviceTime: values['service-time'],
    ...chosen,
    offered,
    completed,
    failed,
    lost,
    maxStarts,
  }
  if (values.json) {
    console.log(JSON.stringify({ ...run, rows }, undefined, 2))
    return
  }
  console.log(`${offered} requests at ${speed} times their speed, ${values.slo}, ${values['service-time']} each`)
  console.log(
    `plan: ${chosen.ratePerSecond}/s, ${chosen.workers} workers with ${chosen.workerConcurrency} at once; ` +
      `run: ${completed} completed, ${failed} failed, ${lost} lost, at most ${maxStarts.in1s} starts in any second`,
  )
  console.table(Object.fromEntries(rows.map(({ name, ...figures }) => [name, figures])))
}

function rowOf(name: string, forecasted: number, seen: number | null) {
  const measuredValue = seen ?? Number.NaN
  const difference = `${((100 * (measuredValue - forecasted)) / forecasted).toFixed(1)}%`
  return { name, forecast: Math.round(forecasted), measured: Math.round(measuredValue), difference }
}
