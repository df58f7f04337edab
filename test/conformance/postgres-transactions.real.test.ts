/** Tasks that are stored with the producer's own rows, in one transaction, on the postgres backend. */

import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'

const impossible = whyNoPostgresAtAll()
const SCHEMA = `transactions_${process.pid}`

let server: Awaited<ReturnType<typeof anyPostgres>>
let pool: pg.Pool
let client: pg.PoolClient
let queue: LoadLevelingQueue
let queues = 0

beforeAll(async () => {
  if (impossible !== undefined) return
  server = await anyPostgres()
  pool = new pg.Pool({ connectionString: server.url })
  await pool.query(`CREATE TABLE IF NOT EXISTS ${SCHEMA}_orders (id int PRIMARY KEY)`)
})

beforeEach(async () => {
  if (impossible !== undefined) return
  queue = await open({})
  client = await pool.connect()
})

afterEach(async () => {
  client?.release()
  await queue?.close()
})

afterAll(async () => {
  if (impossible !== undefined) return
  await pool.query(`DROP TABLE ${SCHEMA}_orders`)
  await pool.query(`DROP SCHEMA ${SCHEMA} CASCADE`)
  await pool.end()
  await server.stop()
})

async function open(options: { maxDepth?: number }, name = `orders-${++queues}`): Promise<LoadLevelingQueue> {
  const service = await openPostgres({ url: server.url, schema: SCHEMA, queue: name })
  return LoadLevelingQueue.open(service, { name, ...options })
}

const task = (id: string, more: object = {}) => ({ type: 'charge', payload: { order: 42 }, id, ...more })
const ordered = () => pool.query(`SELECT id FROM ${SCHEMA}_orders`).then(({ rows }) => rows.length)

describe.skipIf(impossible !== undefined)(`postgres: transactions${impossible ? ` (${impossible})` : ''}`, () => {
  test('a task is there when the transaction commits, with its rows, and not before', async () => {
    await client.query('BEGIN')
    await client.query(`INSERT INTO ${SCHEMA}_orders VALUES (1)`)
    expect(await queue.enqueue(task('a'), { transaction: client })).toMatchObject({ status: 'accepted', id: 'a' })
    expect(await queue.depth()).toMatchObject({ ready: 0, totals: { accepted: 0 } })
    expect(await queue.find('a')).toBeUndefined()
    await client.query('COMMIT')
    expect(await queue.depth()).toMatchObject({ ready: 1, totals: { accepted: 1 } })
    expect(await ordered()).toBe(1)
  })

  test('if it is rolled back there is neither, and the dedup id is free', async () => {
    await client.query('BEGIN')
    await client.query(`INSERT INTO ${SCHEMA}_orders VALUES (2)`)
    const dedup = { dedupId: 'order-2' }
    await queue.enqueue(task('a', dedup), { transaction: client })
    await client.query('ROLLBACK')
    expect(await queue.depth()).toMatchObject({ ready: 0, totals: { accepted: 0 } })
    expect(await ordered()).toBe(1)
    expect(await queue.enqueue(task('b', dedup))).toMatchObject({ status: 'accepted', id: 'b' })
  })

  test('the commit wakes a claim that waits, here and in other processes', async () => {
    const others = new pg.Pool({ connectionString: server.url })
    const other = await openPostgres({ pool: others, schema: SCHEMA, queue: queue.name })
    for (const [index, waiting] of [queue.service, other].entries()) {
      const parked = waiting.claim({ max: 1, leaseMs: 60_000, waitMs: 4_000 })
      // It listens once it has been asked and has found nothing.
      await waiting.depth()
      await waiting.claim({ max: 1, leaseMs: 60_000, waitMs: 50 })
      await client.query('BEGIN')
      await queue.enqueue(task(`a${index}`), { transaction: client })
      await client.query('COMMIT')
      expect((await parked).map(({ id }) => id)).toEqual([`a${index}`])
    }
    await other.close()
    await others.end()
  })

  test('an open one holds up neither other pushes, nor bounded ones, nor claims, nor the counting', async () => {
    const bounded = await open({ maxDepth: 100 }, queue.name)
    await client.query('BEGIN')
    await bounded.enqueueMany([task('a'), task('b')], { transaction: client })
    await Promise.all(Array.from({ length: 20 }, (_, n) => bounded.enqueue(task(`c${n}`))))
    const claims = await queue.service.claim({ max: 100, leaseMs: 60_000, waitMs: 0 })
    expect(claims).toHaveLength(20)
    await queue.service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    await client.query('COMMIT')
    expect(await queue.depth()).toMatchObject({ ready: 2, totals: { accepted: 22, completed: 20 } })
    await bounded.close()
  })

  test('bounds hold against what is committed and what the transaction itself has pushed', async () => {
    const bounded = await open({ maxDepth: 2 }, queue.name)
    await client.query('BEGIN')
    await bounded.enqueue(task('a'), { transaction: client })
    const results = await bounded.enqueueMany([task('b'), task('c'), task('b')], { transaction: client })
    expect(results.map(({ status }) => status)).toEqual(['accepted', 'refused', 'duplicate'])
    await client.query('COMMIT')
    expect((await bounded.depth()).ready).toBe(2)
    await bounded.close()
  })

  test('ordered tasks stand in their line when it commits', async () => {
    const one = { key: 'tenant', ordered: true }
    await queue.enqueue(task('first', one))
    await client.query('BEGIN')
    await queue.enqueueMany([task('second', one), task('third', one)], { transaction: client })
    await client.query('COMMIT')
    for (const id of ['first', 'second', 'third']) {
      const claims = await queue.service.claim({ max: 5, leaseMs: 60_000, waitMs: 0 })
      expect(claims.map((claim) => claim.id)).toEqual([id])
      await queue.service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    }
  })

  test('what is no client is refused, and a transaction that has failed says so', async () => {
    await expect(queue.enqueue(task('a'), { transaction: 'BEGIN' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      path: 'transaction',
    })
    await client.query('BEGIN')
    await expect(client.query('SELECT 1/0')).rejects.toThrow()
    await expect(queue.enqueue(task('a'), { transaction: client })).rejects.toMatchObject({ code: 'INTERNAL' })
    await client.query('ROLLBACK')
    expect((await queue.depth()).ready).toBe(0)
  })

  test('it may see one snapshot for its whole time', async () => {
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
    await client.query(`INSERT INTO ${SCHEMA}_orders VALUES (3)`)
    await queue.enqueue(task('a', { dedupId: 'x', key: 'k', ordered: true }), { transaction: client })
    await client.query('COMMIT')
    expect((await queue.depth()).ready).toBe(1)
  })
})
