/** How soon an idle consumer has a new task from a PostgreSQL server, what its waiting costs, and what dead rows cost. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  openPostgres,
  type PostgresQueueService,
} from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { PostgresServer, whyNoPostgres } from '../servers/postgres.ts'

const impossible = whyNoPostgres()
const ROUNDS = 40
/** Between two tasks, so that each finds the consumer idle. */
const IDLE_MS = 15

let server: PostgresServer
let queue: PostgresQueueService
let name = ''
let queues = 0
let pushed = 0

beforeAll(async () => {
  if (impossible === undefined) server = await PostgresServer.start({ inMemory: true })
})

beforeEach(async () => {
  if (impossible !== undefined) return
  name = `wake-${++queues}`
  queue = await openPostgres({ url: server.url, queue: name })
})

afterEach(() => queue?.close())
afterAll(() => server?.stop())

const task = (id: string) => ({ id, type: 'charge', payload: '1', priority: 0, delayMs: 0 })

/** The median time from the push to the grant of a parked claim, milliseconds. */
async function medianPickUp(push: (id: string) => void): Promise<number> {
  await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 500 })
  const took: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const parked = queue.claim({ max: 1, leaseMs: 30_000, waitMs: 30_000 })
    await sleep(systemClock, IDLE_MS)
    const start = systemClock.monotonic()
    push(`task ${round}`)
    const [claim] = await parked
    took.push(systemClock.monotonic() - start)
    expect(claim?.id).toBe(`task ${round}`)
    await queue.settle(claim ? [{ claim, outcome: 'complete' }] : [])
  }
  return median(took)
}

/** Tasks come and go, 200 at a time, each with a row of its own; how long each claim took, milliseconds. */
async function comeAndGo(rounds: number, meanwhile: () => Promise<unknown> = async () => {}): Promise<number[]> {
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    await queue.push(Array.from({ length: 200 }, (_, n) => ({ ...task(`${name}-${pushed++}-${n}`), cost: 2 })))
    await meanwhile()
    for (let half = 0; half < 2; half++) {
      const start = systemClock.monotonic()
      const claims = await queue.claim({ max: 100, leaseMs: 60_000, waitMs: 0 })
      took.push(systemClock.monotonic() - start)
      expect(claims).toHaveLength(100)
      await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    }
  }
  return took
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

describe.skipIf(impossible !== undefined)(`postgres: waking and waiting${impossible ? ` (${impossible})` : ''}`, () => {
  test('an idle consumer has a task of its own process in less than 20 ms at the median', async () => {
    expect(await medianPickUp((id) => void queue.push([task(id)]))).toBeLessThan(20)
  })

  test('an idle consumer has a task of another process in less than 30 ms at the median', async () => {
    const file = new URL('./postgres-pusher.process.ts', import.meta.url)
    const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
      process.execPath,
      [file.pathname, server.url, name],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    try {
      await once(child.stdout, 'data')
      expect(await medianPickUp((id) => child.stdin.write(`${id}\n`))).toBeLessThan(30)
    } finally {
      child.stdin.end()
      await once(child, 'exit')
    }
  })

  test('a parked claim costs next to no processor time', async () => {
    const controller = new AbortController()
    const parked = queue.claim({ max: 1, leaseMs: 30_000, waitMs: 60_000, signal: controller.signal })
    await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 500 })
    const spanMs = 600
    const shares: number[] = []
    for (let span = 0; span < 5; span++) {
      const before = process.cpuUsage()
      await sleep(systemClock, spanMs)
      const { user, system } = process.cpuUsage(before)
      shares.push((user + system) / 1_000 / spanMs)
    }
    controller.abort()
    expect(await parked).toEqual([])
    expect(median(shares)).toBeLessThan(0.01)
  })

  test('an idle queue lets the process end, and so does one that was closed', async () => {
    for (const ending of ['', 'await queue.close()']) {
      const program = `
        const { openPostgres } = await import(${JSON.stringify(
          new URL('../../packages/forebay/src/postgres.ts', import.meta.url).href,
        )})
        const queue = await openPostgres({ url: ${JSON.stringify(server.url)}, queue: ${JSON.stringify(name)} })
        await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 100 })
        await queue.push([{ id: 'last ${ending}', type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
        ${ending}
      `
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' })
      const [code] = await once(child, 'exit')
      expect(code).toBe(0)
    }
    expect((await queue.depth()).totals?.accepted).toBe(2)
  })

  test('dead rows that a long transaction keeps do not make claims slow', async () => {
    const report = new pg.Client({ connectionString: server.url })
    const other = new pg.Client({ connectionString: server.url })
    await Promise.all([report.connect(), other.connect()])
    await report.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM forebay.tasks')
    // So many tasks come and go, and none of their rows can be cleared away.
    await comeAndGo(200)

    // What a claim costs that begins at the very beginning, beside those of the queue.
    const number = (await other.query(`SELECT id FROM forebay.queues WHERE name = '${name}'`)).rows[0].id
    const whole: number[] = []
    const ours = await comeAndGo(20, async () => {
      await other.query('BEGIN')
      const start = systemClock.monotonic()
      await other.query(
        `SELECT * FROM forebay.claim(${number}, ARRAY[100], 1000, '-Infinity', '-Infinity', NULL, NULL)`,
      )
      whole.push(systemClock.monotonic() - start)
      await other.query('ROLLBACK')
    })
    await report.query('ROLLBACK')
    await Promise.all([report.end(), other.end()])
    expect(median(ours)).toBeLessThan(0.6 * median(whole))
  })
})
