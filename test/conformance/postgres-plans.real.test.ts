/**
 * The server plans a function's statements once a connection, by what it knows of the tables at that time. Where they were empty when
 * they were vacuumed last, it knows them as empty; and must not plan to walk over all of them for each call.
 */

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PgPool, PgPoolClient, PgQuery } from '../../packages/forebay/src/backends/postgres/driver.ts'
import { openPostgres } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import type { Claim, NewTask, Settlement } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'

const impossible = whyNoPostgresAtAll()
const SCHEMA = `plans_${process.pid}`
const BACKLOG = 3_000
const FEW = 5
/** Rows that a call of a few tasks may look at. */
const MOST_LOOKED_AT = 50 * FEW

let server: Awaited<ReturnType<typeof anyPostgres>>
let pool: pg.Pool
/** How many rows each call looked at. */
const calls: { readonly text: string; readonly looked: number }[] = []

beforeAll(async () => {
  if (impossible !== undefined) return
  server = await anyPostgres()
  pool = new pg.Pool({ connectionString: server.url, max: 1 })
})

afterAll(async () => {
  if (impossible !== undefined) return
  await pool.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  await pool.end()
  await server.stop()
})

/** Each statement is a transaction, at whose end its looks are counted. */
function counting(of: pg.Pool): PgPool {
  const watched = async (): Promise<PgPoolClient> => {
    const client = (await of.connect()) as unknown as PgPoolClient
    // What was counted before and is not reported yet is among the counts.
    const count = async () => {
      const { rows } = await client.query({
        text: `SELECT sum(seq_tup_read + idx_tup_fetch)::integer AS count FROM pg_stat_xact_user_tables WHERE schemaname = '${SCHEMA}'`,
      })
      return (rows[0] as { count: number | null }).count ?? 0
    }
    const query = async (asked: PgQuery) => {
      await client.query({ text: 'BEGIN' })
      const before = await count()
      const result = await client.query(asked)
      const looked = (await count()) - before
      await client.query({ text: 'COMMIT' })
      calls.push({ text: asked.text, looked })
      return result
    }
    return {
      query,
      release: (broken) => client.release(broken),
      on: (event, listener) => client.on(event, listener),
      off: (event, listener) => client.off(event, listener),
    }
  }
  return {
    connect: watched,
    on: (event, listener) => of.on(event, listener),
    off: (event, listener) => of.off(event, listener),
    end: () => of.end(),
    options: of.options,
  }
}

const open = (of: PgPool) => openPostgres({ pool: of, schema: SCHEMA, queue: 'q' })

const tasks = (count: number, prefix: string, more: Partial<NewTask> = {}): NewTask[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `${prefix}${n}`,
    type: 't',
    payload: '1',
    priority: 0,
    delayMs: 0,
    ...more,
  }))

const few = { max: FEW, leaseMs: 60_000, waitMs: 0 }
const complete = (claim: Claim): Settlement => ({ claim, outcome: 'complete' })
const retry = (claim: Claim): Settlement => ({
  claim,
  outcome: 'retry',
  delayMs: 0,
  failure: { attempt: 1, at: 0, code: 'Error', message: '' },
})

describe.skipIf(impossible !== undefined)(`postgres: its plans${impossible ? ` (${impossible})` : ''}`, () => {
  test('made while all was empty and vacuumed, they look up what a call needs and no more', async () => {
    const before = await open(pool as unknown as PgPool)
    await before.push(tasks(FEW, 'a'))
    await before.settle((await before.claim(few)).map(complete))
    await before.close()
    for (const table of ['tasks', 'waiting', 'grants', 'lines']) await pool.query(`VACUUM ${SCHEMA}.${table}`)

    const queue = await open(counting(pool))
    await queue.push(tasks(FEW, 'dead'))
    await queue.settle((await queue.claim(few)).map((claim) => ({ claim, outcome: 'dead', reason: 'refused' })))
    await queue.push(tasks(FEW, 'ordered', { key: 'one', ordered: true }))
    await queue.push(tasks(BACKLOG, 'common'))
    calls.length = 0
    await queue.push(tasks(FEW, 'more', { key: 'two', ordered: true }))
    const claims = await queue.claim(few)
    await queue.extend(claims, 60_000)
    await queue.settle(claims.map((claim, index) => (index < 3 ? complete(claim) : retry(claim))))
    await queue.extend(await queue.claim(few), 1)
    await sleep(systemClock, 5)
    await queue.claim(few)
    await queue.dead.redrive(['dead0', 'dead1'])
    await queue.dead.drop(['dead2', 'dead3'])
    await queue.push(tasks(FEW, 'own', { key: 'three', weight: 1 }))
    await queue.settle((await queue.claim(few)).map(complete))
    expect(await queue.push(tasks(1, 'over'), { maxDepth: 10 })).toEqual([{ status: 'full', bound: 'depth' }])
    expect((await queue.find(['dead0', 'common2999'])).map((found) => found?.state)).toEqual(['ready', 'ready'])
    await queue.close()
    expect(calls.length).toBeGreaterThan(12)
    expect(calls.filter(({ looked }) => looked > MOST_LOOKED_AT)).toEqual([])
  })
})
