/** Where the load of a plan comes from: a trace's file, an access log, or Prometheus. */

import { createWriteStream } from 'node:fs'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { type ServiceTime, serviceTimes } from '../planner/service-time.ts'
import type { Load } from '../planner/sizing.ts'
import { learnFromAccessLog } from '../replay/sources/access-log.ts'
import { type LearnedTrace, traceRows } from '../replay/sources/learned-trace.ts'
import { learnFromPrometheus } from '../replay/sources/prometheus.ts'
import { readTrace } from '../replay/trace.ts'
import type { PlanFlags } from './plan-flags.ts'

export interface PlanLoad {
  readonly load: Load
  /** For titles. */
  readonly name: string
  /** Where there is little room, and for others to see: without folders, and without what a URL may hold of secrets. */
  readonly shortName: string
  /** What was learned from what; undefined of a trace's file. */
  readonly told: string | undefined
}

/** @throws ForebayError what is wrong with the flags or with what they name. */
export async function loadOf(file: string | undefined, flags: PlanFlags, clock: Clock): Promise<PlanLoad> {
  const { from, speed, serviceTime, save } = flags
  if ((file === undefined) === (from === undefined)) wrong('give either a trace or --from')
  if (file !== undefined) {
    if (save !== undefined) wrong('--save is for what --from learned')
    const { arrivalsMs, column } = await readTrace(file, {
      speed,
      ...(serviceTime.kind === 'column' && { column: serviceTime.column }),
    })
    return {
      load: { arrivalsMs, serviceMs: serviceTimes(serviceTime, arrivalsMs.length, column) },
      name: file,
      shortName: shortName(file),
      told: undefined,
    }
  }
  const learned = await learn(from as readonly string[], flags, clock)
  if (save !== undefined) await write(save, learned)
  const { durationsMs, told } = learned
  const arrivalsMs = learned.arrivalsMs.map((at) => at / speed)
  const serviceMs = serviceTimes(serviceTime, arrivalsMs.length, recorded(serviceTime, durationsMs))
  const names = from as readonly string[]
  return { load: { arrivalsMs, serviceMs }, name: names.join(' '), shortName: names.map(shortName).join(' '), told }
}

function shortName(source: string): string {
  return /^https?:/.test(source) ? (URL.parse(source)?.host ?? '') : basename(source)
}

function learn(from: readonly string[], { query, since, step }: PlanFlags, clock: Clock): Promise<LearnedTrace> {
  const [what = '', where, ...more] = from
  if (what !== 'prometheus') {
    if (where !== undefined) wrong(`--from takes one access log, or "prometheus URL", and not "${from.join(' ')}"`)
    return learnFromAccessLog(what)
  }
  const url = where === undefined ? null : URL.parse(where)
  if (!url || more.length > 0) wrong('--from prometheus needs the URL of the server, such as http://prometheus:9090')
  if (query === undefined) wrong('--from prometheus needs --query, such as http_requests_total')
  const untilMs = Math.floor(clock.now() / step) * step
  return learnFromPrometheus({ url, query, fromMs: untilMs - since, untilMs, stepMs: step })
}

/** What was learned has one column beside the times. */
function recorded(serviceTime: ServiceTime, durationsMs: Float64Array | undefined): Float64Array | undefined {
  if (serviceTime.kind !== 'column') return undefined
  if (serviceTime.column !== 'duration') wrong('of what --from learns, the only column is "duration"')
  return (
    durationsMs ?? wrong('what --from learned does not say of every request how long it took; give a --service-time')
  )
}

async function write(file: string, learned: LearnedTrace): Promise<void> {
  try {
    await pipeline(Readable.from(traceRows(learned)), createWriteStream(file))
  } catch (thrown) {
    throw new ForebayError('INVALID_OPTION', `save: ${file} cannot be written: ${messageOf(thrown)}.`, { path: 'save' })
  }
}

function wrong(fault: string): never {
  throw new ForebayError('INVALID_OPTION', `plan: ${fault}.`)
}
