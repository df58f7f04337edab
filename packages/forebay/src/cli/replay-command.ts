/** What `forebay replay` does, once its flags are read. */

import { systemClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import { CHART_COLUMNS, chartOf, wantsColour } from '../replay/chart.ts'
import { type OpenDoor, gatewayDoor, queueDoor, targetDoor } from '../replay/doors.ts'
import { type Downstream, judgeDownstream, sinkDownstream } from '../replay/downstream.ts'
import { figuresOf, firstArrivals } from '../replay/figures.ts'
import type { LoadOptions } from '../replay/load.ts'
import { openLocalQueue } from '../replay/local-queue.ts'
import { pictureOf } from '../replay/picture.ts'
import { gatewayProbe, localProbe, type QueueProbe } from '../replay/queue-probe.ts'
import { reportOf, troubleOf } from '../replay/report.ts'
import { type Replay, replayAtTarget, replayThroughQueue } from '../replay/run-replay.ts'
import { openSink, type ReplaySink } from '../replay/sink.ts'
import { readTrace } from '../replay/trace.ts'
import { onInterrupt } from './interrupt.ts'
import { ProgressLine } from './progress.ts'
import type { ReplayFlags } from './replay-flags.ts'

/** @throws ForebayError what is wrong with the flags, the trace or what they name. */
export async function replay(file: string, flags: ReplayFlags): Promise<void> {
  const route = routeOf(flags)
  const { arrivalsMs } = await readTrace(file, { speed: flags.speed })
  const progress = new ProgressLine(systemClock, process.stderr)
  const stop = onInterrupt('The replay was stopped before its end; there are no figures')
  try {
    const result = await route(arrivalsMs, flags, progress, stop.signal)
    progress.clear()
    print(result, flags)
  } finally {
    progress.clear()
    stop.off()
  }
}

type Route = (dueMs: Float64Array, flags: ReplayFlags, progress: ProgressLine, signal: AbortSignal) => Promise<Replay>

/** Which way the load goes. Wrong combinations are refused before anything is read or opened. */
function routeOf({ target, queue, rate, sink, arrivals }: ReplayFlags): Route {
  if ((target === undefined) === (queue === undefined)) wrong('give either --target or --queue')
  if (sink !== undefined && arrivals !== undefined) wrong('give --sink or --arrivals, not both')
  if (target) return sink === undefined ? straight : wrong('--sink is for a queue whose target it can be')
  if (/^https?:/.test(queue ?? '')) return throughGateway
  if (rate === undefined) wrong(`--queue ${queue} needs --rate: the replay runs this queue itself`)
  if (sink !== undefined || arrivals !== undefined) wrong(`--queue ${queue} has a sink of its own already`)
  return throughOwnQueue
}

function wrong(fault: string): never {
  throw new ForebayError('INVALID_OPTION', `replay: ${fault}.`)
}

const straight: Route = async (dueMs, flags, progress, signal) => {
  const run = newRun()
  const door = targetDoor(flags.target as URL, run, systemClock)
  const downstream = flags.arrivals && judgeDownstream(flags.arrivals, run)
  const load = loadOptions(dueMs.length, flags, progress, signal)
  return replayAtTarget({ dueMs, door: door.knock, downstream, rate: flags.rate, load }).finally(() => door.close())
}

const throughGateway: Route = async (dueMs, flags, progress, signal) => {
  const run = newRun()
  const url = new URL(flags.queue as string)
  const sink = flags.sink === undefined ? undefined : await openSink(systemClock, flags.sink)
  const downstream = sink ? sinkDownstream(sink, run) : flags.arrivals && judgeDownstream(flags.arrivals, run)
  const door = gatewayDoor(url, run, systemClock, flags.token)
  const probe = gatewayProbe(url, flags.token)
  return through({ dueMs, door, downstream, probe }, flags, progress, signal).finally(() => sink?.close())
}

const throughOwnQueue: Route = async (dueMs, flags, progress, signal) => {
  const run = newRun()
  const sink: ReplaySink = await openSink(systemClock)
  const options = { name: `replay-${run}`, rate: flags.rate as number, sink, clock: systemClock }
  const local = await openLocalQueue(flags.queue as string, options).catch(async (thrown) => {
    await sink.close()
    throw thrown
  })
  const downstream = sinkDownstream(sink, run)
  const parts = { dueMs, door: queueDoor(local.queue, run), downstream, probe: localProbe(local.queue) }
  return through(parts, flags, progress, signal).finally(async () => {
    await local.close()
    await sink.close()
  })
}

interface QueueParts {
  readonly dueMs: Float64Array
  readonly door: OpenDoor
  readonly downstream: Downstream | undefined
  readonly probe: QueueProbe
}

async function through(
  parts: QueueParts,
  flags: ReplayFlags,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<Replay> {
  const { dueMs, door } = parts
  const load = loadOptions(dueMs.length, flags, progress, signal)
  let most = 1
  const onState = ({ waiting }: { waiting: number }) => {
    most = Math.max(most, waiting)
    progress.show(1 - waiting / most, `${waiting} still in the queue`)
  }
  const setup = { ...parts, door: door.knock, rate: flags.rate, load, onState }
  return replayThroughQueue(setup).finally(() => door.close())
}

function loadOptions(total: number, flags: ReplayFlags, progress: ProgressLine, signal: AbortSignal): LoadOptions {
  return {
    clock: systemClock,
    timeoutMs: flags.timeout,
    retry: flags.retry ?? false,
    signal,
    onChange: ({ offered, accepted, refused, failed }) => {
      const text = `${offered} of ${total} offered, ${accepted} accepted, ${refused} refused, ${failed} failed`
      progress.show(offered / total, text)
    },
  }
}

/** A name for this replay that no other has, so that logs keep them apart. */
function newRun(): string {
  return Buffer.from(systemRandom.bytes(4)).toString('hex')
}

function print({ record, load }: Replay, flags: ReplayFlags): void {
  const figures = figuresOf(record)
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`)
    return
  }
  const trouble = troubleOf(load)
  const outMs = record.arrivals
    ? [...firstArrivals(record.arrivals).values()]
    : load.endedMs.filter((_, index) => load.door[index] === 'accepted')
  const picture = pictureOf({ inMs: record.dueMs, outMs }, record.durationMs, CHART_COLUMNS)
  const colour = wantsColour(process.stdout, process.env)
  const chart = chartOf(picture, { title: `${flags.target ?? flags.queue}`, colour })
  process.stdout.write(`${[chart, '', reportOf(figures), ...(trouble ? [trouble] : [])].join('\n')}\n`)
}
