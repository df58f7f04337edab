/**
 * `npm start`: the main job of queue-based load leveling, on ten minutes of real traffic in about half a minute.
 *
 * Act one sends it straight at a service that can serve 50 requests a second; act two sends it through `forebay serve`, which
 * passes it on at 45 a second. Then the picture of both, the verdict in figures, and the live page until Ctrl-C.
 */

import { writeFile } from 'node:fs/promises'
import { ProgressLine } from '../packages/forebay/src/cli/progress.ts'
import { sleep, systemClock } from '../packages/forebay/src/clock.ts'
import { CHART_COLUMNS, chartOf, wantsColour } from '../packages/forebay/src/replay/chart.ts'
import { figuresOf, firstArrivals, type ReplayFigures } from '../packages/forebay/src/replay/figures.ts'
import { type Picture, pictureOf } from '../packages/forebay/src/replay/picture.ts'
import { reportOf, troubleOf } from '../packages/forebay/src/replay/report.ts'
import type { Replay } from '../packages/forebay/src/replay/run-replay.ts'
import { svgOf } from '../packages/forebay/src/replay/svg.ts'
import { readTrace } from '../packages/forebay/src/replay/trace.ts'
import { type Act, PATIENCE_MS, playDirect, playLeveled, warmUp } from './acts.ts'
import { endingSignal } from './ending.ts'
import { readFlags } from './flags.ts'
import { CAPACITY } from './fragile-line.ts'
import { type FragileService, type Gateway, Stage } from './stage.ts'
import { lineOf, type Promised, promisesAfterKill, promisesOf } from './verdict.ts'

const TRACE = new URL('../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

/** The gateway is killed when this share of the requests was offered. */
const KILL_AT = 0.5
const DOWN_MS = 500

const flags = readFlags(process.argv.slice(2))
const ending = endingSignal()

const out = (text: string) => (flags.json ? process.stderr : process.stdout).write(`${text}\n`)
const progress = new ProgressLine(systemClock, process.stderr)
const stage = await Stage.open()
try {
  await demo()
} catch (thrown) {
  progress.clear()
  if (!ending.aborted) {
    console.error(`The demo could not go on: ${thrown instanceof Error ? thrown.message : thrown}`)
    process.exitCode = 1
  }
} finally {
  progress.clear()
  await stage.close()
}

async function demo(): Promise<void> {
  const { arrivalsMs: dueMs } = await readTrace(flags.trace ?? TRACE, { speed: flags.speed })
  out(
    `${dueMs.length.toLocaleString('en')} requests of a real day, ${flags.speed} times as fast, for a service that can serve ${CAPACITY}/s`,
  )
  out('and whose users wait at most 2 seconds. First straight at it, then through forebay serve.\n')
  const direct = await directAct(dueMs)
  const service = await stage.startFragileService()
  const gateway = await stage.startGateway({ target: service.url, rate: flags.rate }, ending)
  out(`  live page: ${gateway.url.href}\n`)
  await warmUp(flags.rate, gateway, ending)
  const leveled = await leveledAct(dueMs, service, gateway)
  const figures = { direct: figuresOf(direct.record), leveled: figuresOf(leveled.record) }
  const promises = flags.kill ? promisesAfterKill(leveled, figures.leveled) : promisesOf(figures.leveled, flags.rate)
  tell(direct, leveled, figures, promises)
  if (flags.svg) await writeFile(flags.svg, pictureSvg(direct, leveled, figures))
  if (flags.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
  if (promises.some(({ kept }) => !kept)) process.exitCode = 1
  if (!flags.once) await stayUp(dueMs, service, gateway)
}

async function directAct(dueMs: Float64Array): Promise<Replay> {
  const service = await stage.startFragileService()
  const replay = await playDirect(actOf('straight', dueMs), service)
  // The next act begins with a fresh one: this one still works off a line that nobody waits in.
  await service.stop()
  progress.clear()
  return replay
}

async function leveledAct(dueMs: Float64Array, service: FragileService, gateway: Gateway): Promise<Replay> {
  const act = actOf('through Forebay', dueMs)
  let most = 1
  let killing: Promise<void> | undefined
  const replay = await playLeveled(
    {
      ...act,
      onChange: (changed) => {
        act.onChange(changed)
        if (flags.kill && changed.offered >= KILL_AT * dueMs.length) killing ??= killAndRestart(gateway)
      },
      onState: ({ waiting }) => {
        most = Math.max(most, waiting)
        progress.show(1 - waiting / most, `through Forebay: ${waiting} still in the queue`)
      },
    },
    service,
    gateway,
  )
  await killing
  progress.clear()
  return replay
}

function actOf(name: string, dueMs: Float64Array): Act {
  return {
    dueMs,
    rate: flags.rate,
    signal: ending,
    onChange: ({ offered, failed }) => {
      progress.show(offered / dueMs.length, `${name}: ${offered} of ${dueMs.length} sent, ${failed} failed`)
    },
  }
}

async function killAndRestart(gateway: Gateway): Promise<void> {
  progress.clear()
  out(`  kill -9 ${gateway.pid}: the gateway is gone`)
  await gateway.kill()
  await sleep(systemClock, DOWN_MS, ending)
  await gateway.start(ending)
  out('  the gateway is back, on the same SQLite file')
}

type Figures = { readonly direct: ReplayFigures; readonly leveled: ReplayFigures }

function tell(direct: Replay, leveled: Replay, figures: Figures, promises: readonly Promised[]): void {
  const colour = wantsColour(flags.json ? process.stderr : process.stdout, process.env)
  const columns = CHART_COLUMNS
  out(
    chartOf(directPicture(direct, columns), {
      title: 'STRAIGHT AT THE SERVICE',
      depthLabel: 'in service',
      outputLabel: 'in time/s',
      colour,
    }),
  )
  out(reportOf(figuresOf({ ...direct.record, rate: undefined })))
  out(troubleOf(direct.load) ?? '  nothing failed')
  out('')
  out(chartOf(leveledPicture(leveled, columns), { title: 'THROUGH FOREBAY', depthLabel: 'in queue', colour }))
  out(reportOf(figures.leveled))
  out(`\nVERDICT\n  straight: ${failedShare(figures.direct)} of the requests failed\n  through Forebay:`)
  for (const promise of promises) out(lineOf(promise))
}

function failedShare({ failed, offered }: ReplayFigures): string {
  return `${Math.round((failed * 100) / offered)}%`
}

/** Output is what was answered before its user gave up; what stands in the service's own line is seen from outside. */
function directPicture({ record, load }: Replay, columns: number): Picture {
  const inTime = load.endedMs.filter((_, index) => load.door[index] === 'accepted')
  return pictureOf({ inMs: record.dueMs, outMs: inTime, leftMs: load.endedMs }, record.durationMs, columns)
}

function leveledPicture({ record }: Replay, columns: number): Picture {
  const outMs = [...firstArrivals(record.arrivals ?? []).values()]
  return pictureOf({ inMs: record.dueMs, outMs }, record.durationMs, columns)
}

/** Columns of one second, so that both halves of the picture read alike. */
function pictureSvg(direct: Replay, leveled: Replay, figures: Figures): string {
  const seconds = (replay: Replay) => Math.max(1, Math.ceil(replay.record.durationMs / 1_000))
  const { completed, offered, maxStarts, failed, lost } = figures.leveled
  return svgOf([
    {
      title: 'Straight at the service',
      subtitle: `${failedShare(figures.direct)} failed: users wait ${PATIENCE_MS / 1_000} s, the service can serve ${CAPACITY}/s`,
      picture: directPicture(direct, seconds(direct)),
      labels: ['requests per second', 'waiting in the service', 'answered in time, per second'],
    },
    {
      title: 'Through Forebay',
      subtitle: `${completed} of ${offered} served, ${failed} failed, ${lost} lost; at most ${maxStarts.in1s} in any second`,
      picture: leveledPicture(leveled, seconds(leveled)),
      labels: ['requests per second', 'waiting in the queue', 'passed on, per second'],
    },
  ])
}

/** Keeps the live page alive with the same ten minutes, over and over. */
async function stayUp(dueMs: Float64Array, service: FragileService, gateway: Gateway): Promise<void> {
  out(`\nThe load goes on, through the queue. Watch it at ${gateway.url.href}; Ctrl-C ends it.`)
  for (;;) {
    await playLeveled({ ...actOf('again', dueMs), onState: () => undefined }, service, gateway)
  }
}
