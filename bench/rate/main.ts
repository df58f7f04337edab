/**
 * How level the flow of each limiter is: Forebay's beside BullMQ's, p-queue's and Bottleneck's, all from this one harness.
 *
 *     npm run bench:rate -- [--seconds 10] [--rates 1,10,100,1000,5000] [--only forebay-process,p-queue]
 *
 * Each figure comes from a process of its own; one runs at a time, and at each rate all limiters take their turns, so that
 * what else the machine does hits all of them alike. Prints tables, and writes bench/results/rate.json.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { haveRedis, RedisServer } from '../../test/servers/redis.ts'
import { type Figures, figuresOf, PROMISED_PACER_CPU_PERCENT, promisedAt, type Recording } from './figures.ts'
import { CANDIDATES, type Candidate, PACER } from './limiter.ts'
import type { Order } from './measure.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const RESULTS = join(HERE, '../results')
const BLOCK_MS = 300
const BLOCKED_RATE = 1_000

type Row = Figures & { readonly name: string; readonly blockMs: number }

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rates: { type: 'string', default: '1,10,100,1000,5000' },
    only: { type: 'string', default: CANDIDATES.map(({ name }) => name).join(',') },
  },
})
const seconds = positive('--seconds', values.seconds)
const rates = values.rates.split(',').map((rate) => positive('--rates', rate))
const wanted = values.only.split(',').map(named)

function positive(option: string, value: string): number {
  const number = Number(value)
  if (number > 0 && number <= 50_000) return number
  console.error(`${option} takes numbers above 0 and at most 50,000, not "${value}".`)
  process.exit(2)
}

function named(wish: string): Candidate {
  const candidate = CANDIDATES.find(({ name }) => name === wish)
  if (candidate) return candidate
  console.error(`--only knows ${CANDIDATES.map(({ name }) => name).join(', ')}; not "${wish}".`)
  process.exit(2)
}

/** The others' packages are no dependencies of ours: they live in this folder alone. */
function installPackages(): boolean {
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: HERE, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) console.error('SKIPPED: all but Forebay, because npm could not install the others')
  return status === 0
}

/** Undefined, said aloud, if the limiter did not get through. */
async function measure(order: Omit<Order, 'folder'>): Promise<Row | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-rate-'))
  try {
    const child = spawn(process.execPath, [join(HERE, 'measure.ts'), JSON.stringify({ ...order, folder })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const printed = await text(child.stdout)
    if (!printed) {
      console.error(`FAILED: ${order.name} at ${order.perSecond}/s`)
      process.exitCode = 1
      return undefined
    }
    const recording = JSON.parse(printed) as Recording
    return { name: order.name, blockMs: order.blockMs, ...figuresOf(recording) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A figure beside what is promised of it; "!" where it is more. */
function beside(figure: number, promised: number, digits = 0): string {
  const most = digits === 0 ? Math.floor(promised + 1e-9) : promised
  return `${figure.toFixed(digits)} / ${most}${Math.abs(figure) > promised + 1e-9 ? ' !' : ''}`
}

function print(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`)
  console.table(
    Object.fromEntries(
      rows.map((row) => {
        const promised = promisedAt(row.perSecond)
        // The block itself is CPU time too.
        const cpu =
          row.name === PACER && row.blockMs === 0
            ? beside(row.cpuPercent, PROMISED_PACER_CPU_PERCENT, 1)
            : row.cpuPercent.toFixed(1)
        // Of a flow that was blocked only the bursts are judged: the time that it lost is lost by design.
        const mean = row.blockMs > 0 ? row.meanErrorPercent.toFixed(2) : beside(row.meanErrorPercent, 0.5, 2)
        const columns = {
          'mean error %': mean,
          'most in 1 s': beside(row.mostIn1s, promised.mostIn1s),
          'in 100 ms': beside(row.mostIn100ms, promised.mostIn100ms),
          'in 10 ms': row.mostIn10ms,
          'CPU %': cpu,
        }
        return [CANDIDATES.find(({ name }) => name === row.name)?.what, columns]
      }),
    ),
  )
}

async function measureAll(candidates: readonly Candidate[], redis: RedisServer | undefined): Promise<Row[]> {
  const all: Row[] = []
  const redisPort = redis?.port
  const turn = async (title: string, perSecond: number, blockMs: number) => {
    const rows: Row[] = []
    for (const { name } of candidates) {
      const row = await measure({ name, perSecond, seconds, blockMs, redisPort })
      if (row) rows.push(row)
    }
    print(title, rows)
    all.push(...rows)
  }
  for (const perSecond of rates) await turn(`${perSecond}/s: measured / promised`, perSecond, 0)
  await turn(`${BLOCKED_RATE}/s, the event loop blocked for ${BLOCK_MS} ms once`, BLOCKED_RATE, BLOCK_MS)
  return all
}

const folder = await mkdtemp(join(tmpdir(), 'forebay-rate-redis-'))
const packages = wanted.some(({ needs }) => needs) && installPackages()
const needsRedis = packages && wanted.some(({ needs }) => needs === 'redis')
const redis = needsRedis && haveRedis('BullMQ') ? await RedisServer.start(folder) : undefined
try {
  const able = wanted.filter(({ needs }) => !needs || (needs === 'redis' ? redis : packages))
  const rows = await measureAll(able, redis)
  await mkdir(RESULTS, { recursive: true })
  const machine = { node: process.version, cores: availableParallelism() }
  await writeFile(join(RESULTS, 'rate.json'), `${JSON.stringify({ machine, seconds, rows }, undefined, 2)}\n`)
} finally {
  await redis?.stop()
  await rm(folder, { recursive: true })
}
