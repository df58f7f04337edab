/** What only the postgres backend has: grants of many tasks, counters of many transactions, a schema with versions. */

import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  openPostgres,
  type PostgresOptions,
  type PostgresQueueService,
} from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { NOW } from '../../packages/forebay/src/backends/postgres/sql/routine.ts'
import type { Claim, NewTask } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'

const impossible = whyNoPostgresAtAll()
const SCHEMA = `own_${process.pid}`

let server: Awaited<ReturnType<typeof anyPostgres>>
let client: pg.Client
const opened: PostgresQueueService[] = []
const nameOf = new Map<PostgresQueueService, string>()
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
  const name = `own-${++queues}`
  const queue = await openPostgres({ url: server.url, schema: SCHEMA, queue: name, ...more })
  nameOf.set(queue, name)
  opened.push(queue)
  return queue
}

const task = (id: string, more: Partial<NewTask> = {}): NewTask => ({
  id,
  type: 'charge',
  payload: '1',
  priority: 0,
  delayMs: 0,
  ...more,
})
const tasks = (count: number, prefix = 't') => Array.from({ length: count }, (_, n) => task(`${prefix}${n}`))
const now = { leaseMs: 60_000, waitMs: 0 }

/** How many tasks each row has that waits, in their order. */
async function rowsOf(queue: PostgresQueueService): Promise<number[]> {
  const { rows } = await client.query(
    `SELECT w.span FROM ${SCHEMA}.waiting w WHERE queue = (SELECT id FROM ${SCHEMA}.queues WHERE name = $1) ORDER BY place, seq`,
    [nameOf.get(queue)],
  )
  return rows.map(({ span }) => span as number)
}

const complete = (claim: Claim) => ({ claim, outcome: 'complete' as const })

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

  test.each([false, true])(
    'tasks that came together are few rows, taken a part at a time (fresh: %s)',
    async (isFresh) => {
      const queue = await open()
      await queue.push(tasks(150).map((one) => ({ ...one, isFresh })))
      expect(await rowsOf(queue)).toEqual([64, 64, 22])
      const ids = tasks(150).map(({ id }) => id)
      const first = await queue.claim({ max: 10, ...now })
      expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 10))
      expect(await rowsOf(queue)).toEqual([54, 64, 22])
      expect((await queue.find(['t9', 't10', 't63', 't64', 't149'])).map((found) => found?.state)).toEqual([
        'inFlight',
        ...Array.from({ length: 4 }, () => 'ready'),
      ])
      expect(await queue.depth({ priority: 0 })).toMatchObject({ ready: 140, inFlight: 10, ahead: 140 })
      await queue.settle([{ claim: first[4] as Claim, outcome: 'release', delayMs: 0 }])
      // It comes before them by its number, and the last row is taken in part again.
      const rest = await queue.claim({ max: 120, ...now })
      expect(rest.map(({ id }) => id)).toEqual(['t4', ...ids.slice(10, 129)])
      expect(await rowsOf(queue)).toEqual([21])
      expect((await queue.claim({ max: 1_000, ...now })).map(({ id }) => id)).toEqual(ids.slice(129))
      expect(await rowsOf(queue)).toEqual([])
    },
  )

  test('rows of one and of many tasks are taken in their order', async () => {
    const queue = await open()
    const order: string[] = []
    for (let round = 0; round < 12; round++) {
      const some = tasks(round % 3 === 0 ? 100 : 2, `${round}-`)
      await queue.push(some)
      order.push(...some.map(({ id }) => id))
    }
    const got: string[] = []
    for (let max = 1; got.length < order.length; max += 7)
      got.push(...(await queue.claim({ max, ...now })).map(({ id }) => id))
    expect(got).toEqual(order)
  })

  test('what a claim of others holds, and takes in part only, is found when that is over', async () => {
    const queue = await open()
    await queue.push(tasks(3))
    await client.query('BEGIN')
    await client.query(`SELECT FROM ${SCHEMA}.waiting FOR UPDATE`)
    const parked = queue.claim({ max: 3, leaseMs: 60_000, waitMs: 4_000 })
    await sleep(systemClock, 50)
    await client.query('COMMIT')
    // Long before it would look by itself.
    expect(await parked).toHaveLength(3)
  })

  test('of tasks that came together the one that came first gives way, or the one that came last', async () => {
    const queue = await open()
    await queue.push(tasks(70))
    const push = (id: string, overflow: 'drop-oldest' | 'drop-lowest-priority') =>
      queue.push([task(id, { priority: 1 })], { maxDepth: 70, overflow })
    expect(await push('a', 'drop-oldest')).toEqual([{ status: 'accepted', id: 'a', dropped: ['t0'] }])
    expect(await push('b', 'drop-lowest-priority')).toEqual([{ status: 'accepted', id: 'b', dropped: ['t69'] }])
    expect(await queue.depth()).toMatchObject({ ready: 70, totals: { dropped: 2 } })
    const left = ['a', 'b', ...tasks(69).map(({ id }) => id)].filter((id) => id !== 't0')
    expect((await queue.claim({ max: 100, ...now })).map(({ id }) => id)).toEqual(left)
  })

  test('tasks that came together have no more than their turn beside those of a key', async () => {
    const queue = await open()
    await queue.push(tasks(100, 'common'))
    await queue.push(tasks(100, 'own').map((one) => ({ ...one, key: 'k', weight: 1 })))
    for (let round = 0; round < 5; round++) {
      const claims = await queue.claim({ max: 20, ...now })
      expect(claims.filter(({ id }) => id.startsWith('own'))).toHaveLength(10)
      const common = claims.filter(({ id }) => id.startsWith('common')).map(({ id }) => id)
      expect(common).toEqual(tasks(10, '').map((_, n) => `common${10 * round + n}`))
    }
    expect(await queue.claim({ max: 200, ...now })).toHaveLength(100)
  })

  test('an id that was said to be fresh and is not is a duplicate, and the others of the push are stored', async () => {
    const queue = await open()
    await queue.push([task('b')])
    const fresh = (...ids: string[]) => ids.map((id) => task(id, { isFresh: true }))
    expect((await queue.push(fresh('a', 'b', 'c'))).map(({ status }) => status)).toEqual([
      'accepted',
      'duplicate',
      'accepted',
    ])
    expect(await queue.push(fresh('c'))).toEqual([{ status: 'duplicate', id: 'c' }])
    expect(await queue.depth()).toMatchObject({ ready: 3, bytes: 3, totals: { accepted: 3 } })
    expect((await queue.claim({ max: 9, ...now })).map(({ id }) => id)).toEqual(['b', 'a', 'c'])
  })

  test('a fresh task that is pushed alone comes back as it was', async () => {
    const queue = await open()
    const odd = task('\ud800\0', { type: 'a\x01', payload: '"ü"', key: '\0k', headers: { h: '🏞' }, isFresh: true })
    expect(await queue.push([odd])).toEqual([{ status: 'accepted', id: odd.id }])
    expect(await queue.depth()).toMatchObject({ ready: 1, bytes: 4, totals: { accepted: 1 } })
    const [claim] = await queue.claim({ max: 1, ...now })
    const { isFresh, delayMs, ...rest } = odd
    expect(claim?.task).toMatchObject(rest)
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

  test('whole grants, parts of one, and a token beside the id of another task, all at once', async () => {
    const queue = await open()
    await queue.push(tasks(200))
    const claims = await queue.claim({ max: 200, ...now })
    const [kept, wrong, last] = [claims[70], claims[130], claims[199]] as [Claim, Claim, Claim]
    const asked = claims.filter((claim) => claim !== kept && claim !== last)
    const batch = [...asked, asked[0] as Claim].map((claim) => (claim === wrong ? { ...claim, id: 'another' } : claim))
    const results = (await queue.settle(batch.map(complete))).map(({ status }) => status)
    expect(results.flatMap((status, at) => (status === 'stale' ? [(batch[at] as Claim).id] : []))).toEqual([
      'another',
      't0',
    ])
    expect(await queue.depth()).toMatchObject({ inFlight: 3, bytes: 3, totals: { completed: 197 } })
    expect((await queue.find(['t69', 't70', 't130', 't199'])).map((found) => found?.state)).toEqual([
      undefined,
      ...Array.from({ length: 3 }, () => 'inFlight'),
    ])
    expect(new Set((await queue.settle([kept, wrong, last].map(complete))).map(({ status }) => status))).toEqual(
      new Set(['settled']),
    )
    expect((await queue.depth()).inFlight).toBe(0)
    const left = `SELECT count(*)::int AS count FROM ${SCHEMA}.grants g JOIN ${SCHEMA}.queues q ON q.id = g.queue WHERE q.name = $1`
    expect((await client.query(left, [nameOf.get(queue)])).rows).toEqual([{ count: 0 }])
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
