/**
 * The least that one job can cost a producer who waits for it: what a round trip to the server takes, what a round trip that stores
 * something takes, and what `enqueue` takes, each in turns on the same server, in us, and how much of it is this process's processor
 * time (medians of rounds).
 *
 *     npm run bench:floor
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { BusyPoll } from '../../packages/forebay/src/backends/busy-poll.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import type { Engine } from './contestant.ts'
import { startServer } from './servers.ts'

const [WARM_UP, ROUNDS, CALLS] = [5_000, 15, 300]

type Calls = Readonly<Record<string, (number: number) => Promise<unknown>>>

/** Per call of each, us: the median of the rounds, in each of which all take their turns. */
async function measured(calls: Calls): Promise<Record<string, { readonly time: string; readonly processor: string }>> {
  const entries = Object.entries(calls)
  const times = new Map(entries.map(([name]) => [name, [] as number[]]))
  const efforts = new Map(entries.map(([name]) => [name, [] as number[]]))
  for (const [, call] of entries) for (let number = 0; number < WARM_UP; number++) await call(number)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, call] of entries) {
      const [began, spent] = [process.hrtime.bigint(), process.cpuUsage()]
      for (let number = 0; number < CALLS; number++) await call(number)
      times.get(name)?.push(Number(process.hrtime.bigint() - began) / 1e3 / CALLS)
      const { user, system } = process.cpuUsage(spent)
      efforts.get(name)?.push((user + system) / CALLS)
    }
  }
  const median = (all: number[] = []) => (all.sort((a, b) => a - b)[all.length >> 1] as number).toFixed(0)
  return Object.fromEntries(
    entries.map(([name]) => [name, { time: median(times.get(name)), processor: median(efforts.get(name)) }]),
  )
}

async function onRedis(url: string): Promise<Calls & { close(): Promise<void> }> {
  const queue = await LoadLevelingQueue.open(url, { name: 'floor' })
  const client = new Redis(url)
  client.defineCommand('nothing', { numberOfKeys: 1, lua: 'return 0' })
  client.defineCommand('least', {
    numberOfKeys: 2,
    lua: "if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then redis.call('RPUSH', KEYS[2], ARGV[1]) end return 0",
  })
  const scripts = client as unknown as {
    nothing(key: string): Promise<number>
    least(...words: string[]): Promise<number>
  }
  const poll = new BusyPoll({ clock: systemClock })
  let stored = 0
  return {
    'a bare PING': () => client.ping(),
    'a PING, the event loop awake': () => poll.answerOf(() => client.ping()),
    'an empty script': () => scripts.nothing('{floor}'),
    'a script that stores a task and its place, once': () =>
      scripts.least('{floor}:tasks', '{floor}:line', `task-${stored++}`, '{"number":1}'),
    'Forebay, enqueue': (number) => queue.enqueue({ type: 't', payload: { number } }),
    close: async () => {
      client.disconnect()
      await queue.close()
    },
  }
}

async function onPostgres(url: string): Promise<Calls & { close(): Promise<void> }> {
  const queue = await LoadLevelingQueue.open(url, { name: 'floor' })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('CREATE TABLE floor (id bigint PRIMARY KEY, payload text)')
  const insert = { name: 'insert', text: 'INSERT INTO floor VALUES ($1, $2)' }
  let stored = 0
  return {
    'SELECT 1': () => client.query({ name: 'select', text: 'SELECT 1' }),
    'INSERT of one row': () => client.query({ ...insert, values: [stored++, '{"number":1}'] }),
    'Forebay, enqueue': (number) => queue.enqueue({ type: 't', payload: { number } }),
    close: async () => {
      await client.end()
      await queue.close()
    },
  }
}

const folder = await mkdtemp(join(tmpdir(), 'forebay-floor-'))
const engines: readonly [Engine, (url: string) => Promise<Calls & { close(): Promise<void> }>][] = [
  ['redis', onRedis],
  ['postgres', onPostgres],
]
try {
  for (const [engine, open] of engines) {
    const server = await startServer(engine, folder)
    if (!server) continue
    try {
      const { close, ...calls } = await open(await server.freshUrl())
      console.log(`\n${engine}: us a call, one producer`)
      console.table(await measured(calls))
      await close()
    } finally {
      await server.stop()
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
