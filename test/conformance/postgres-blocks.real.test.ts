/** What only the postgres backend has: rows of many tasks, where a task's place is one of many, and the short ways for them. */

import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  openPostgres,
  type PostgresQueueService,
} from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import type { Claim } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { anyPostgres, whyNoPostgresAtAll } from '../servers/postgres.ts'
import { complete, now, task, tasks } from './postgres-tasks.ts'

const impossible = whyNoPostgresAtAll()
const SCHEMA = `blocks_${process.pid}`

let server: Awaited<ReturnType<typeof anyPostgres>>
let client: pg.Client
const nameOf = new Map<PostgresQueueService, string>()

beforeAll(async () => {
  if (impossible !== undefined) return
  server = await anyPostgres()
  client = new pg.Client({ connectionString: server.url })
  await client.connect()
})

afterEach(async () => {
  await Promise.all([...nameOf.keys()].map((queue) => queue.close()))
})

afterAll(async () => {
  if (impossible !== undefined) return
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  await client.end()
  await server.stop()
})

async function open(): Promise<PostgresQueueService> {
  const name = `blocks-${nameOf.size}`
  const queue = await openPostgres({ url: server.url, schema: SCHEMA, queue: name })
  nameOf.set(queue, name)
  return queue
}

/** How many tasks each row has that waits, in their order. */
async function rowsOf(queue: PostgresQueueService): Promise<number[]> {
  const { rows } = await client.query(
    `SELECT w.span FROM ${SCHEMA}.waiting w WHERE queue = (SELECT id FROM ${SCHEMA}.queues WHERE name = $1) ORDER BY place, seq`,
    [nameOf.get(queue)],
  )
  return rows.map(({ span }) => span as number)
}

describe.skipIf(impossible !== undefined)(
  `postgres: its rows of many tasks${impossible ? ` (${impossible})` : ''}`,
  () => {
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

    test('whole grants, parts of one, and a token beside the id of another task, all at once', async () => {
      const queue = await open()
      await queue.push(tasks(200))
      const claims = await queue.claim({ max: 200, ...now })
      const [kept, wrong, last] = [claims[70], claims[130], claims[199]] as [Claim, Claim, Claim]
      const asked = claims.filter((claim) => claim !== kept && claim !== last)
      const batch = [...asked, asked[0] as Claim].map((claim) =>
        claim === wrong ? { ...claim, id: 'another' } : claim,
      )
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
  },
)
