import pg from 'pg'
import { expect, test } from 'vitest'
import { whyNoPostgres } from '../servers/postgres.ts'
import { afterwards, codeOf, open, startServer, task } from './postgres-scene.ts'

const dedup = (id: string) => task(`task ${id}`, { dedup: { id, windowMs: 60_000 } })

test('who is undone for a circle of locks, or for a conflict, tries again by itself', async ({ skip }) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const server = await startServer({ inMemory: true, settings: ['deadlock_timeout=200ms'] })
  const queue = await open({ url: server.url })
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  afterwards(() => client.end())

  // The client holds b and wants a; the queue's own push holds a and waits for b, and is the first to look for a circle.
  await client.query('BEGIN')
  await client.query("SET deadlock_timeout = '10s'")
  await queue.push([dedup('b')], {}, client)
  const pushing = queue.push([dedup('a'), dedup('b')])
  const waiting = 'SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted'
  await expect.poll(async () => (await client.query(waiting)).rows[0].count, { timeout: 20_000 }).toBe(1)
  // Only because the other is undone does the client get a, which it then pushed first.
  expect(await queue.push([{ ...dedup('a'), id: 'the first' }], {}, client)).toMatchObject([{ status: 'accepted' }])
  await client.query('COMMIT')
  expect(await pushing).toEqual([
    { status: 'duplicate', id: 'the first' },
    { status: 'duplicate', id: 'task b' },
  ])
  expect((await queue.depth()).ready).toBe(2)
})

test('a lock that is not let go of is waited for, and then told', async ({ skip }) => {
  const impossible = whyNoPostgres()
  if (impossible !== undefined) return skip(impossible)
  const server = await startServer({ inMemory: true })
  const queue = await open({ url: server.url })
  await queue.push([task('a', { key: 'k', ordered: true })])
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  afterwards(() => client.end())
  await client.query('BEGIN')
  await queue.push([task('b', { key: 'k', ordered: true })], {}, client)
  const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
  const settling = () => queue.settle(claim ? [{ claim, outcome: 'complete' }] : [])
  expect(await codeOf(settling())).toBe('BACKEND_LOCKED')
  await client.query('COMMIT')
  expect(await settling()).toEqual([{ status: 'settled' }])
  expect((await queue.claim({ max: 5, leaseMs: 60_000, waitMs: 0 })).map(({ id }) => id)).toEqual(['b'])
})
