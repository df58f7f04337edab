/**
 * `npm run demo:full`: the whole slice against a queue that is bounded at 500, with producers that obey `Retry-After`.
 *
 * It measures what a bounded queue promises: its memory stays flat, every refusal says when to come again, and who comes
 * exactly then gets in, at least nine times in ten. It ends with 0 if all of that was so, else with 1.
 */

import { ProgressLine } from '../packages/forebay/src/cli/progress.ts'
import { systemClock } from '../packages/forebay/src/clock.ts'
import { figuresOf } from '../packages/forebay/src/replay/figures.ts'
import { reportOf, troubleOf } from '../packages/forebay/src/replay/report.ts'
import { percentile } from '../packages/forebay/src/planner/statistics.ts'
import { readTrace } from '../packages/forebay/src/replay/trace.ts'
import { playLeveled, warmUp } from './acts.ts'
import { endingSignal } from './ending.ts'
import { readFlags } from './flags.ts'
import { sampleMemory } from './memory.ts'
import { Stage } from './stage.ts'
import { lineOf, type Promised } from './verdict.ts'

const TRACE = new URL('../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)
const MAX_DEPTH = 500
/** A heap in which ten minutes of leaks would not fit. */
const HEAP_MIB = 64

/** Memory that differs by less than this between the second quarter and the last is flat. */
const FLAT_BYTES = 16 * 1_048_576

const flags = readFlags(process.argv.slice(2))
const ending = endingSignal()

const progress = new ProgressLine(systemClock, process.stderr)
const stage = await Stage.open()
try {
  const promises = await bounded()
  for (const promise of promises) console.log(lineOf(promise))
  process.exitCode = promises.every(({ kept }) => kept) ? 0 : 1
} catch (thrown) {
  process.exitCode = 1
  if (!ending.aborted) console.error(`It could not go on: ${thrown instanceof Error ? thrown.message : thrown}`)
} finally {
  progress.clear()
  await stage.close()
}

async function bounded(): Promise<Promised[]> {
  const { arrivalsMs: dueMs } = await readTrace(flags.trace ?? TRACE, { speed: flags.speed })
  const service = await stage.startFragileService()
  const gateway = await stage.startGateway(
    { target: service.url, rate: flags.rate, maxDepth: MAX_DEPTH, heapMiB: HEAP_MIB },
    ending,
  )
  await warmUp(flags.rate, gateway, ending)
  const watching = new AbortController()
  const memory = sampleMemory(gateway.pid, systemClock, watching.signal)
  const onChange = ({ offered, accepted }: { offered: number; accepted: number }) => {
    progress.show(accepted / dueMs.length, `${offered} offered, ${accepted} accepted`)
  }
  const act = { dueMs, rate: flags.rate, signal: ending, onChange, onState: () => undefined }
  const { record, load } = await playLeveled(act, service, gateway).finally(() => watching.abort())
  progress.clear()
  const figures = figuresOf(record)
  console.log(reportOf(figures))
  console.log(troubleOf(load) ?? '  nothing was refused')
  const { refusals, withRetryAfter, obeyed, acceptedThen } = load.refusals
  return [
    memoryPromise(await memory),
    {
      text: `${withRetryAfter} of ${refusals} refusals said when to come again`,
      kept: withRetryAfter === refusals && refusals > 0,
    },
    {
      text: `${acceptedThen} of ${obeyed} who came exactly then were accepted (promised: 9 in 10)`,
      kept: acceptedThen >= 0.9 * obeyed,
    },
    {
      text: `${figures.completed} of ${figures.offered} completed, ${figures.lost} lost`,
      kept: figures.completed === figures.offered,
    },
  ]
}

/** The first quarter is left out: there, a process still loads its code. */
function memoryPromise(samples: readonly number[]): Promised {
  const quarter = Math.floor(samples.length / 4)
  const middle = (part: readonly number[]) =>
    percentile(
      part.toSorted((a, b) => a - b),
      0.5,
    ) ?? 0
  const early = middle(samples.slice(quarter, 2 * quarter))
  const late = middle(samples.slice(3 * quarter))
  const mib = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`
  return {
    text: `the gateway's memory: ${mib(early)} in the second quarter, ${mib(late)} in the last, ${mib(Math.max(...samples))} at most`,
    kept: quarter > 0 && late - early < FLAT_BYTES,
  }
}
