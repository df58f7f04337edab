import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PostgresQueueService } from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { PostgresServer, whyNoPostgres } from '../servers/postgres.ts'
import { TcpProxy } from '../servers/tcp-proxy.ts'
import { afterwards, atPort, codeOf, drain, open, task } from './postgres-scene.ts'

const impossible = whyNoPostgres()
const TIMEOUT_MS = 600
const WAIT = { max: 1, leaseMs: 60_000, waitMs: 20_000 }

let server: PostgresServer
let queues = 0
let name = ''

beforeAll(async () => {
  if (impossible === undefined)
    server = await PostgresServer.start({ inMemory: true, settings: ['max_connections=40'] })
})

beforeEach(() => {
  name = `connection-${++queues}`
})

afterAll(() => server?.stop())

/** The queue as a process on the other side of the proxy has it, and as one beside the server has it. */
async function bothSides(): Promise<{ proxy: TcpProxy; far: PostgresQueueService; near: PostgresQueueService }> {
  const proxy = await TcpProxy.start(server.port)
  afterwards(() => proxy.stop())
  const far = await open({ url: atPort(server.url, proxy.port), queue: name, timeoutMs: TIMEOUT_MS })
  const near = await open({ url: server.url, queue: name })
  return { proxy, far, near }
}

async function timed<Result>(work: Promise<Result>): Promise<{ readonly result: Result; readonly tookMs: number }> {
  const start = systemClock.monotonic()
  const result = await work
  return { result, tookMs: systemClock.monotonic() - start }
}

/** A claim that waits, when announcements are heard. In an object, or who awaits this would await the claim too. */
async function park(queue: PostgresQueueService) {
  await queue.claim({ max: 1, leaseMs: 1_000, waitMs: 300 })
  const parked = queue.claim(WAIT)
  parked.catch(() => {})
  await queue.depth()
  return { parked }
}

describe.skipIf(impossible !== undefined)(`postgres: connections${impossible ? ` (${impossible})` : ''}`, () => {
  test('connections are cut again and again under load: what was acknowledged is there, once', async () => {
    const { proxy, far, near } = await bothSides()
    const acknowledged: string[] = []
    const codes = new Set<string | undefined>()
    let done = false
    const lane = async (lane: number) => {
      for (let n = 0; !done; n++) {
        const id = `${lane}-${n}`
        codes.add(await codeOf(far.push([task(id)]).then(() => acknowledged.push(id))))
      }
    }
    const lanes = [lane(0), lane(1), lane(2)]
    for (let cut = 0; cut < 10; cut++) {
      await sleep(systemClock, 60)
      proxy.cut()
    }
    await sleep(systemClock, 60)
    done = true
    await Promise.all(lanes)
    expect([...codes].filter((code) => code !== undefined && code !== 'BACKEND_UNAVAILABLE')).toEqual([])
    expect(codes.has('BACKEND_UNAVAILABLE')).toBe(true)
    const there = await drain(near)
    expect(new Set(there).size).toBe(there.length)
    expect(acknowledged.filter((id) => !there.includes(id))).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(5)
  })

  test('a listener that was cut listens again: a task of another process comes at once', async () => {
    const { proxy, far, near } = await bothSides()
    const { parked } = await park(far)
    proxy.cut()
    await sleep(systemClock, 1_000)
    await near.push([task('a')])
    const { result, tookMs } = await timed(parked)
    expect(result.map(({ id }) => id)).toEqual(['a'])
    // Much sooner than who waits looks by itself.
    expect(tookMs).toBeLessThan(1_500)
  })

  test('while it can listen to nobody, who waits looks by itself', async () => {
    const { proxy, far, near } = await bothSides()
    const { parked } = await park(far)
    const listeners = () =>
      server.query(`SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()`)
    await expect.poll(async () => (await listeners()).length).toBeGreaterThan(0)
    for (let kill = 0; kill < 3; kill++) {
      for (const { pid } of await listeners()) await server.query(`SELECT pg_terminate_backend(${pid})`)
      await sleep(systemClock, 100)
    }
    await near.push([task('a')])
    const { result, tookMs } = await timed(parked)
    expect(result.map(({ id }) => id)).toEqual(['a'])
    expect(tookMs).toBeLessThan(2_500)
    expect(proxy.connections).toBeGreaterThan(3)
  })

  test('half-open connections: every call ends in time, and all goes on when the line is back', async () => {
    const { proxy, far, near } = await bothSides()
    await far.push([task('a')])
    const { parked } = await park(far)
    expect((await parked).map(({ id }) => id)).toEqual(['a'])
    const waiting = far.claim(WAIT)
    waiting.catch(() => {})
    await far.depth()
    proxy.silence()
    const { result, tookMs } = await timed(
      Promise.all([
        codeOf(far.push([task('b')])),
        codeOf(far.depth()),
        codeOf(far.find(['a'])),
        codeOf(far.extend([], 1)),
      ]),
    )
    expect(result.slice(0, 3)).toEqual(new Array(3).fill('BACKEND_UNAVAILABLE'))
    // A connection, its answer, and what the server is given beyond it.
    expect(tookMs).toBeLessThan(2 * TIMEOUT_MS + 1_500)
    // The claim that waited is told when it looks by itself.
    expect(await codeOf(waiting)).toBe('BACKEND_UNAVAILABLE')
    proxy.heal()
    await expect.poll(() => codeOf(far.push([task('c')])), { timeout: 5_000 }).toBeUndefined()
    const again = await park(far)
    expect((await again.parked).length).toBe(1)
    expect((await near.depth()).totals?.accepted).toBeGreaterThanOrEqual(2)
  })

  test('a server that refuses connections is reported at once, and taken up again by itself', async () => {
    const { proxy, far } = await bothSides()
    await far.push([task('a')])
    proxy.refuse()
    const { result, tookMs } = await timed(codeOf(far.push([task('b')])))
    expect(result).toBe('BACKEND_UNAVAILABLE')
    expect(tookMs).toBeLessThan(TIMEOUT_MS)
    expect(await codeOf(far.claim({ ...WAIT, waitMs: 5_000 }))).toBe('BACKEND_UNAVAILABLE')
    proxy.heal()
    expect(await codeOf(far.push([task('b')]))).toBeUndefined()
    expect(await drain(far)).toEqual(['a', 'b'])
  })

  test('all connections are ended by the server, as at a failover: it goes on without a restart', async () => {
    const { far, near } = await bothSides()
    const { parked } = await park(far)
    const endAll = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forebay'`
    for (let round = 0; round < 5; round++) {
      await server.query(endAll)
      await expect.poll(() => codeOf(near.push([task(`a${round}`)])), { timeout: 5_000 }).toBeUndefined()
    }
    // The claim that waited may have been under way when its connection was ended.
    expect([undefined, 'BACKEND_UNAVAILABLE']).toContain(await codeOf(parked))
    await far.push([task('last')])
    expect((await drain(near)).includes('last')).toBe(true)
    expect((await near.depth()).totals?.accepted).toBe(6)
  })

  test('a server that became read-only is turned away from, until it can write again', async () => {
    const { near } = await bothSides()
    await near.push([task('a')])
    const set = async (value: string) => {
      await server.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`)
      await server.query('SELECT pg_reload_conf()')
    }
    await set('on')
    await expect.poll(() => codeOf(near.push([task('b')]))).toBe('BACKEND_UNAVAILABLE')
    await expect(near.push([task('b')])).rejects.toThrow('is read-only at the moment; nothing was done')
    await expect(near.claim({ ...WAIT, waitMs: 0 })).rejects.toThrow('read-only')
    expect((await near.depth()).ready).toBe(1)
    const client = new pg.Client({ connectionString: server.url, options: '-c default_transaction_read_only=off' })
    await client.connect()
    await client.query('ALTER SYSTEM RESET default_transaction_read_only')
    await client.query('SELECT pg_reload_conf()')
    await client.end()
    await expect.poll(() => codeOf(near.push([task('c')]))).toBeUndefined()
    expect((await drain(near)).includes('a')).toBe(true)
  })

  test('a pool that is used up holds nobody up for longer than the time given', async () => {
    const queue = await open({ url: server.url, queue: name, connections: 1, timeoutMs: TIMEOUT_MS })
    await queue.push([task('a')])
    const blocker = new pg.Client({ connectionString: server.url })
    await blocker.connect()
    await blocker.query('BEGIN; LOCK TABLE forebay.tasks')
    const { result, tookMs } = await timed(
      Promise.all(Array.from({ length: 50 }, (_, n) => codeOf(queue.push([task(`b${n}`)])))),
    )
    expect(new Set(result)).toEqual(new Set(['BACKEND_UNAVAILABLE']))
    expect(tookMs).toBeLessThan(2 * TIMEOUT_MS + 1_500)
    await blocker.query('ROLLBACK')
    await blocker.end()
    await expect.poll(() => codeOf(queue.push([task('c')]))).toBeUndefined()
  })

  test('a server without a free connection is unavailable, and not for longer than that', async () => {
    const queue = await open({ url: server.url, queue: name, timeoutMs: 2_000 })
    await queue.push([task('a')])
    const guests: pg.Client[] = []
    for (let full = false; !full; ) {
      const guest = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 1_000 })
      guest.on('error', () => {})
      full = (await codeOf(guest.connect())) !== undefined
      guests.push(guest)
    }
    // It keeps the connection that it has.
    expect(await codeOf(queue.push([task('b')]))).toBeUndefined()
    expect(await codeOf(open({ url: server.url, queue: 'late', timeoutMs: 1_999 }))).toBe('BACKEND_UNAVAILABLE')
    await Promise.all(guests.map((guest) => guest.end().catch(() => {})))
    await expect.poll(() => codeOf(open({ url: server.url, queue: 'late' })), { timeout: 5_000 }).toBeUndefined()
    expect(await drain(queue)).toEqual(['a', 'b'])
  })
})
