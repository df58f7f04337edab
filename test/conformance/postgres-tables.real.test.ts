/** What only the postgres backend has: grants of many tasks, counters of many transactions, a schema with versions. */

import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  openPostgres,
  type PostgresOptions,
  type PostgresQueueService,
} from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { NOW } from '../../packages/forebay/src/backends/postgres/sql/routine.ts'
import type { Claim } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'
import { complete, now, task, tasks } from './postgres-tasks.ts'

const impossible = whyNoPostgresAtAll()
const SCHEMA = `own_${process.pid}`

let server: Awaited<ReturnType<typeof anyPostgres>>
let client: pg.Client
const opened: PostgresQueueService[] = []
let queues = 0

beforeAll(async () => {
  if (impossible !== undefined) return
  server = await anyPostgres()
  client = new pg.Client({ connectionString: server.url })
  await client.connect()
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
})

afterAll(async () => {
  if (impossible !== undefined) return
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  await client.end()
  await server.stop()
})

async function open(more: Partial<PostgresOptions> = {}): Promise<PostgresQueueService> {
  const queue = await openPostgres({ url: server.url, schema: SCHEMA, queue: `own-${++queues}`, ...more })
  opened.push(queue)
  return queue
}

describe.skipIf(impossible !== undefined)(`postgres: its own tables${impossible ? ` (${impossible})` : ''}`, () => {
  test.each(['drop-oldest', 'drop-lowest-priority'] as const)(
    '%s: its index is made when it is needed, and used',
    async (overflow) => {
      const queue = await open()
      await queue.push(Array.from({ length: 3_000 }, (_, n) => task(`t${n}`, { priority: -(n % 3) })))
      const push = (id: string) => queue.push([task(id)], { maxDepth: 3_000, overflow })
      expect(await push('first')).toEqual([
        { status: 'accepted', id: 'first', dropped: [overflow === 'drop-oldest' ? 't0' : 't2999'] },
      ])
      await queue.close()
      const name = overflow === 'drop-oldest' ? 'waiting_oldest' : 'waiting_lowest'
      const scans = async () => {
        const used = await client.query(
          `SELECT i.indisvalid AS valid, s.idx_scan::integer AS scans FROM pg_stat_all_indexes s JOIN pg_index i USING (indexrelid)
          WHERE s.schemaname = '${SCHEMA}' AND s.indexrelname = '${name}'`,
        )
        return used.rows[0] as { valid: boolean; scans: number }
      }
      const { valid, scans: before } = await scans()
      expect(valid).toBe(true)
      const again = await open()
      await again.push([task('u1'), task('u2')])
      await again.push([task('u3')], { maxDepth: 2, overflow: 'drop-oldest' })
      await again.push([task('u4', { priority: 1 })], { maxDepth: 2, overflow: 'drop-lowest-priority' })
      await again.close()
      // A connection that has gone has told what it did.
      for (let tried = 0; (await scans()).scans === before && tried < 100; tried++) await sleep(systemClock, 100)
      expect((await scans()).scans).toBeGreaterThan(before)
    },
  )

  test.each([1, 2, 31, 63, 64, 65, 127, 128, 129, 200])('a claim of %i tasks', async (count) => {
    const queue = await open()
    await queue.push(tasks(count + 1))
    const claims = await queue.claim({ max: count, ...now })
    expect(claims.map(({ id }) => id)).toEqual(tasks(count).map(({ id }) => id))
    expect(new Set(claims.map(({ token }) => token)).size).toBe(count)
    // One at a time, then the rest at once.
    for (const claim of claims.splice(0, 3))
      expect(await queue.settle([complete(claim)])).toEqual([{ status: 'settled' }])
    expect((await queue.depth()).inFlight).toBe(claims.length)
    if (claims.length > 0) {
      expect(new Set((await queue.settle(claims.map(complete))).map(({ status }) => status))).toEqual(
        new Set(['settled']),
      )
    }
    expect(await queue.depth()).toMatchObject({ ready: 1, inFlight: 0, totals: { completed: count } })
    expect((await client.query(`SELECT count(*)::int AS count FROM ${SCHEMA}.grants`)).rows).toEqual([{ count: 0 }])
  })

  test('of tasks that were granted together one may be held longer than the others', async () => {
    const queue = await open()
    await queue.push(tasks(3))
    const [a, b, c] = (await queue.claim({ max: 3, leaseMs: 300, waitMs: 0 })) as [Claim, Claim, Claim]
    expect(await queue.extend([b], 60_000)).toEqual([{ status: 'extended', token: b.token }])
    await sleep(systemClock, 350)
    expect(await queue.depth()).toMatchObject({ ready: 2, inFlight: 1 })
    expect((await queue.find(['t0', 't1', 't2'])).map((found) => found?.state)).toEqual(['ready', 'inFlight', 'ready'])
    const again = await queue.claim({ max: 3, ...now })
    expect(again.map(({ id, task: { attempts } }) => [id, attempts])).toEqual([
      ['t0', 2],
      ['t2', 2],
    ])
    expect(await queue.settle([a, b, c].map(complete))).toEqual([
      { status: 'stale' },
      { status: 'settled' },
      { status: 'stale' },
    ])
  })

  test('a lease can be made shorter', async () => {
    const queue = await open()
    await queue.push(tasks(2))
    const [a] = await queue.claim({ max: 2, ...now })
    await queue.extend([a as Claim], 200)
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect((await parked).map(({ id }) => id)).toEqual(['t0'])
  })

  test('a token of one queue is none of another', async () => {
    const [one, other] = [await open(), await open()]
    await Promise.all([one.push(tasks(1)), other.push(tasks(1))])
    const [claim] = await one.claim({ max: 1, ...now })
    expect(await other.settle([complete(claim as Claim)])).toEqual([{ status: 'stale' }])
    expect(await other.extend([claim as Claim], 1_000)).toEqual([{ status: 'stale' }])
    expect((await one.depth()).inFlight).toBe(1)
  })

  test('texts that the server cannot hold come back as they were', async () => {
    const queue = await open()
    const odd = ['\0', '\x01', 'a\0b\x01c', '\ud800', '\udc00\ud800', '🏞\0🏞', '\x010000', 'ü']
    const pushed = odd.map((text) => task(text, { type: text, key: text, dedup: { id: text, windowMs: 60_000 } }))
    await queue.push(pushed)
    const claims = await queue.claim({ max: 10, ...now })
    expect(claims.map(({ id, task: { type, key } }) => [id, type, key])).toEqual(odd.map((text) => [text, text, text]))
    expect((await queue.find(odd)).map((found) => found?.state)).toEqual(odd.map(() => 'inFlight'))
    expect(new Set((await queue.push(pushed)).map(({ status }) => status))).toEqual(new Set(['duplicate']))
    expect(new Set((await queue.settle(claims.map(complete))).map(({ status }) => status))).toEqual(
      new Set(['settled']),
    )
  })

  test('the counters of many transactions at once add up, also while they are being added up', async () => {
    const queue = await open()
    const lane = async (name: number) => {
      for (let round = 0; round < 40; round++) {
        await queue.push(tasks(3, `${name}-${round}-`))
        const claims = await queue.claim({ max: 2, ...now })
        await queue.settle(claims.map(complete))
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, name) => lane(name)))
    const { ready, inFlight, totals } = await queue.depth()
    expect([totals?.accepted, inFlight]).toEqual([720, 0])
    expect(ready + (totals?.completed ?? 0)).toBe(720)
    const rows = await client.query(
      `SELECT count(*)::int AS count FROM ${SCHEMA}.changes c JOIN ${SCHEMA}.queues q ON q.id = c.queue WHERE q.name = 'own-${queues}'`,
    )
    // Of about 720 transactions most have been added up by the way.
    expect(rows.rows[0].count).toBeLessThan(500)
  })

  test('after a restore into a cluster with lower transaction ids all is counted', async () => {
    const first = await open()
    await first.push(tasks(5))
    await client.query(`UPDATE ${SCHEMA}.queues SET through = '9000000000'`)
    await first.close()
    const again = await open({ queue: `own-${queues}` })
    expect(await again.depth()).toMatchObject({ ready: 5, totals: { accepted: 5 } })
  })

  test('memory of dedup ids and results goes with its time', async () => {
    const queue = await open()
    const many = Array.from({ length: 300 }, (_, n) => task(`t${n}`, { dedup: { id: `d${n}`, windowMs: 50 } }))
    await queue.push(many)
    const claims = await queue.claim({ max: 300, ...now })
    await queue.settle(claims.map((claim) => ({ ...complete(claim), keep: { result: '1', keepMs: 50 } })))
    await sleep(systemClock, 60)
    for (let n = 0; n < 210; n++) await queue.push([task(`again${n}`)])
    await queue.close()
    for (const table of ['dedup', 'results']) {
      const left = `SELECT count(*)::int AS count FROM ${SCHEMA}.${table} WHERE until <= ${NOW}`
      expect((await client.query(left)).rows).toEqual([{ count: 0 }])
    }
  })
})

describe.skipIf(impossible !== undefined)('postgres: its schema', () => {
  test('many who open it at once make it once', async () => {
    const schema = `${SCHEMA}_fresh`
    const pools = Array.from({ length: 6 }, () => new pg.Pool({ connectionString: server.url, max: 2 }))
    await Promise.all(
      pools.map((pool) => openPostgres({ pool, schema, queue: 'orders' }).then((queue) => queue.close())),
    )
    const { rows } = await client.query(`SELECT version FROM ${schema}.migrations`)
    expect(rows).toEqual([{ version: 1 }])
    await Promise.all(pools.map((pool) => pool.end()))
    await client.query(`DROP SCHEMA ${schema} CASCADE`)
  })

  test('one of a newer version, and one of another application, are left as they are', async () => {
    await client.query(
      `CREATE SCHEMA ${SCHEMA}_newer; CREATE TABLE ${SCHEMA}_newer.migrations (version int, at timestamptz)`,
    )
    await client.query(`INSERT INTO ${SCHEMA}_newer.migrations VALUES (99)`)
    await expect(open({ schema: `${SCHEMA}_newer` })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await client.query(`CREATE SCHEMA ${SCHEMA}_other; CREATE TABLE ${SCHEMA}_other.migrations (name text)`)
    await expect(open({ schema: `${SCHEMA}_other` })).rejects.toMatchObject({ code: 'INVALID_URL' })
    await client.query(`CREATE SCHEMA ${SCHEMA}_tables; CREATE TABLE ${SCHEMA}_tables.tasks (name text)`)
    await expect(open({ schema: `${SCHEMA}_tables` })).rejects.toMatchObject({ code: 'INVALID_URL' })
    const { rows } = await client.query(
      `SELECT count(*)::int AS count FROM pg_class WHERE relnamespace::regnamespace::text LIKE '${SCHEMA}\\_%' AND relkind = 'r'`,
    )
    expect(rows).toEqual([{ count: 3 }])
    for (const name of ['newer', 'other', 'tables']) await client.query(`DROP SCHEMA ${SCHEMA}_${name} CASCADE`)
  })

  test('the given pool stays open, and a pool of one connection is enough', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 })
    const queue = await open({ pool, url: undefined } as unknown as PostgresOptions)
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    await Promise.all([queue.push(tasks(1)), queue.depth(), queue.find(['a'])])
    expect(await parked).toHaveLength(1)
    await queue.close()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await pool.end()
  })

  test.each([
    [{ url: undefined }, 'INVALID_OPTION'],
    [{ schema: 'Not One' }, 'INVALID_URL'],
    [{ schema: 'pg_mine' }, 'INVALID_URL'],
  ])('%j is refused', async (options, code) => {
    await expect(open(options as PostgresOptions)).rejects.toMatchObject({ code })
  })

  test('a database, a user and a server that are not there are named in the message', async () => {
    const elsewhere = (change: (url: URL) => void) => {
      const url = new URL(server.url)
      change(url)
      return open({ url: url.href, timeoutMs: 2_000 })
    }
    await expect(elsewhere((url) => (url.pathname = '/nowhere'))).rejects.toMatchObject({
      code: 'INVALID_URL',
      message: expect.stringContaining('/nowhere has no such database'),
    })
    await expect(elsewhere((url) => (url.username = 'nobody'))).rejects.toMatchObject({ code: 'INVALID_URL' })
    await expect(elsewhere((url) => (url.port = '1'))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  })

  test('connections that see a snapshot for their whole transaction are refused', async () => {
    const options = { options: '-c default_transaction_isolation=serializable' }
    const pool = new pg.Pool({ connectionString: server.url, ...options })
    await expect(open({ pool, url: undefined } as unknown as PostgresOptions)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    })
    await pool.end()
  })

  test('without synced commits only the death of our processes is survived, and it says so', async () => {
    const pool = new pg.Pool({ connectionString: server.url, options: '-c synchronous_commit=off' })
    const queue = await open({ pool, url: undefined } as unknown as PostgresOptions)
    expect(queue.capabilities.durability).toBe('process')
    await queue.close()
    await pool.end()
  })
})
