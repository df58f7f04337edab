/**
 * Jobs a second on the same server: Forebay beside BullMQ on Redis, beside graphile-worker and pg-boss on PostgreSQL.
 *
 *     npm run bench:peers -- [--jobs 10000] [--rounds 3] [--concurrency 1,10,100] [--only redis]
 *
 * One server an engine, of our own, on a private port. Each figure comes from a process of its own; one runs at a time, and in
 * each round all take their turns. Medians over the rounds are printed, and written to bench/results/peers.json.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ENTRIES, type Engine } from './contestant.ts'
import type { Order, Times } from './measure.ts'
import { type Server, startServer } from './servers.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const RESULTS = join(HERE, '../results')

interface Row {
  readonly name: string
  readonly concurrency: number
  readonly enqueuePerSecond: number
  readonly drainPerSecond: number
  readonly bulkPerSecond: number
  readonly bulkDrainPerSecond: number
}

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '1,10,100' },
    only: { type: 'string', default: 'redis,postgres' },
  },
})
const jobs = whole('--jobs', values.jobs)
const rounds = whole('--rounds', values.rounds)
const levels = values.concurrency.split(',').map((level) => whole('--concurrency', level))
const engines = values.only.split(',') as Engine[]

function whole(option: string, value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= 1_000_000) return number
  console.error(`${option} takes whole numbers from 1 to 1,000,000, not "${value}".`)
  process.exit(2)
}

async function measure(order: Order): Promise<Times> {
  const child = spawn(process.execPath, [join(HERE, 'measure.ts'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(await text(child.stdout)) as Times
}

const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] as number

async function compare(engine: Engine, server: Server): Promise<Row[]> {
  const entries = ENTRIES.filter((entry) => entry.engine === engine)
  const rows: Row[] = []
  for (const concurrency of levels) {
    const times = new Map(entries.map(({ name }) => [name, [] as Times[]]))
    for (let round = 0; round < rounds; round++) {
      for (const { name } of entries) {
        const url = await server.freshUrl()
        times.get(name)?.push(await measure({ name, url, jobs, concurrency }))
      }
    }
    for (const [name, all] of times) {
      const perSecond = (part: keyof Times) => (jobs * 1_000) / median(all.map((one) => one[part]))
      rows.push({
        name,
        concurrency,
        enqueuePerSecond: perSecond('enqueueMs'),
        drainPerSecond: perSecond('drainMs'),
        bulkPerSecond: perSecond('bulkMs'),
        bulkDrainPerSecond: perSecond('bulkDrainMs'),
      })
    }
    print(rows.filter((row) => row.concurrency === concurrency))
  }
  return rows
}

/** The first row is ours; the others' figures stand beside how many times as many we do. */
function print(rows: readonly Row[]): void {
  const [ours] = rows as [Row]
  const beside = (figure: number, own: number) => `${Math.round(figure)} (x ${(own / figure).toFixed(2)})`
  console.log(`\njobs a second at concurrency ${ours.concurrency}; in brackets: ours is so many times that`)
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        ENTRIES.find(({ name }) => name === row.name)?.what,
        {
          enqueue: beside(row.enqueuePerSecond, ours.enqueuePerSecond),
          drain: beside(row.drainPerSecond, ours.drainPerSecond),
          bulk: beside(row.bulkPerSecond, ours.bulkPerSecond),
          'drain of bulk': beside(row.bulkDrainPerSecond, ours.bulkDrainPerSecond),
        },
      ]),
    ),
  )
}

const { status } = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: HERE, stdio: ['ignore', 'ignore', 'inherit'] })
if (status !== 0) throw new Error('npm could not install the others')
const folder = await mkdtemp(join(tmpdir(), 'forebay-peers-'))
const rows: Row[] = []
try {
  for (const engine of engines) {
    const server = await startServer(engine, folder)
    if (!server) continue
    try {
      rows.push(...(await compare(engine, server)))
    } finally {
      await server.stop()
    }
  }
  await mkdir(RESULTS, { recursive: true })
  const machine = { node: process.version, cores: availableParallelism() }
  await writeFile(join(RESULTS, 'peers.json'), `${JSON.stringify({ machine, jobs, rounds, rows }, undefined, 2)}\n`)
} finally {
  await rm(folder, { recursive: true })
}
