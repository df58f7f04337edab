/**
 * Is the flow as level on each engine? The same trace at the same rate through each of them, by `forebay replay`.
 *
 *     npm run bench:engines -- [--rate 45] [--speed 24] [--rounds 1] [--only sqlite,redis]
 *
 * One engine at a time; each round takes all in turn. Medians over the rounds are printed, and written to
 * bench/results/engines.json. A `!` marks a figure that is more than 2% away from the median of all engines.
 */

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { ReplayFigures } from '../../packages/forebay/src/replay/figures.ts'
import { ENGINES, type Engine } from './engines.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const FOREBAY = path('../../packages/forebay/src/cli/main.ts')
const TRACE = path('../../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv')
const RESULTS = path('../results')

/** What leveling is judged by; the same on each engine to within this share. */
const MEASURES = {
  'mean out/s while backlogged': (figures: ReplayFigures) => figures.output.meanPerSecondWhileBacklogged,
  'most in 1 s': (figures: ReplayFigures) => figures.maxStarts.in1s,
  'peak depth': (figures: ReplayFigures) => figures.depth.peak,
  'p50 wait, ms': (figures: ReplayFigures) => figures.waitMs.p50,
  'p99 wait, ms': (figures: ReplayFigures) => figures.waitMs.p99,
  'max wait, ms': (figures: ReplayFigures) => figures.waitMs.max,
}
const WITHIN = 0.02

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '45' },
    speed: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
})
const wanted = values.only.split(',').filter((name) => name !== '')
const engines = ENGINES.filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.startsWith(one)))

async function replayOn(engine: Engine, folder: string): Promise<ReplayFigures | undefined> {
  const running = await engine.start(folder)
  if (!running) return undefined
  try {
    const { rate, speed } = values
    const args = running.program
      ? [path(running.program), TRACE, rate, speed]
      : [FOREBAY, 'replay', TRACE, '--queue', `${running.url}`, '--rate', rate, '--speed', speed, '--json']
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...running.env },
    })
    const [figures, said] = await Promise.all([text(child.stdout), text(child.stderr)])
    if (figures === '') throw new Error(`The replay on ${engine.name} ended without figures: ${said}`)
    return JSON.parse(figures) as ReplayFigures
  } finally {
    await running.stop()
  }
}

const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] as number

type Row = Readonly<Record<keyof typeof MEASURES | 'completed' | 'lost', number>>

function rowOf(rounds: readonly ReplayFigures[]): Row {
  const measures = Object.entries(MEASURES).map(([name, of]) => [
    name,
    median(rounds.map((figures) => of(figures) ?? Number.NaN)),
  ])
  const least = Math.min(...rounds.map(({ completed }) => completed))
  return Object.fromEntries([
    ['completed', least],
    ['lost', Math.max(...rounds.map(({ lost }) => lost))],
    ...measures,
  ]) as Row
}

function print(rows: ReadonlyMap<string, Row>): void {
  const usual = (measure: keyof typeof MEASURES) => median([...rows.values()].map((row) => row[measure]))
  const told = (row: Row) => {
    const measures = (Object.keys(MEASURES) as (keyof typeof MEASURES)[]).map((measure) => {
      const off = row[measure] / usual(measure) - 1
      const figure = `${row[measure].toFixed(1)} (${off < 0 ? '' : '+'}${(100 * off).toFixed(1)}%)`
      return [measure, Math.abs(off) > WITHIN ? `${figure} !` : figure]
    })
    return { completed: row.completed, lost: row.lost, ...Object.fromEntries(measures) }
  }
  console.log(
    `\n${values.rate}/s, the trace ${values.speed} times as fast; in brackets: against the median of the engines`,
  )
  console.table(Object.fromEntries([...rows].map(([name, row]) => [name, told(row)])))
}

const folder = await mkdtemp(join(tmpdir(), 'forebay-engines-'))
const figures = new Map<string, ReplayFigures[]>()
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const engine of engines) {
      const one = await replayOn(engine, join(folder, `${engine.name.split(' ')[0]}-${round}`))
      if (one) figures.set(engine.name, [...(figures.get(engine.name) ?? []), one])
    }
  }
  const rows = new Map([...figures].map(([name, rounds]) => [name, rowOf(rounds)]))
  print(rows)
  await mkdir(RESULTS, { recursive: true })
  const machine = { node: process.version, cores: availableParallelism() }
  const result = { machine, ...values, rows: Object.fromEntries(rows) }
  await writeFile(join(RESULTS, 'engines.json'), `${JSON.stringify(result, undefined, 2)}\n`)
} finally {
  await rm(folder, { recursive: true })
}
