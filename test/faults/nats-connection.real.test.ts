import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { haveNats } from '../servers/nats.ts'
import { TcpProxy } from '../servers/tcp-proxy.ts'
import { afterwards, claimOne, codeOf, insist, open, startServer, task } from './nats-scene.ts'

/** What TRUST promises: within this all goes on by itself. */
const RESUMED_MS = 10_000

if (haveNats('the connection of nats:')) {
  test('a connection that is cut rejects what was under way, and all goes on by itself', async () => {
    const server = await startServer()
    const proxy = await TcpProxy.start(server.port)
    afterwards(() => proxy.stop())
    const queue = await open(proxy.port)
    await queue.push([task('kept'), task('held')])
    const held = await claimOne(queue)
    const other = await claimOne(queue)
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 60_000 })
    await queue.depth()
    proxy.refuse()
    await expect(parked).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    await expect(queue.push([task('late')])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    expect(await queue.settle([{ claim: held, outcome: 'complete' }])).toMatchObject([{ status: 'failed' }])
    await expect(queue.extend([held], 60_000)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    proxy.heal()
    const cutAt = systemClock.monotonic()
    await insist(() => queue.push([task('after')]))
    expect(systemClock.monotonic() - cutAt).toBeLessThan(RESUMED_MS)
    // The leases have lasted.
    const settled = await queue.settle([held, other].map((claim) => ({ claim, outcome: 'complete' })))
    expect(settled).toEqual([{ status: 'settled' }, { status: 'settled' }])
    expect((await claimOne(queue)).id).toBe('after')
  })

  test('a connection that falls silent: questions end in their time, and a new one is made', async () => {
    const server = await startServer()
    const proxy = await TcpProxy.start(server.port)
    afterwards(() => proxy.stop())
    const connection = await connect({
      servers: `127.0.0.1:${proxy.port}`,
      pingInterval: 300,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    })
    afterwards(() => connection.close())
    const queue = await open(0, { connection, timeoutMs: 500 })
    await queue.push([task('a')])
    const parked = queue.claim({ max: 2, leaseMs: 60_000, waitMs: 60_000 })
    expect((await parked).map(({ id }) => id)).toEqual(['a'])
    const again = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 60_000 })
    again.catch(() => undefined)
    await queue.depth()
    proxy.silence()
    const silentAt = systemClock.monotonic()
    await expect(queue.push([task('b')])).rejects.toThrow('did not answer within 500 ms')
    expect(systemClock.monotonic() - silentAt).toBeLessThan(900)
    await expect(again).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    proxy.heal()
    await insist(() => queue.push([task('c')]))
    expect(systemClock.monotonic() - silentAt).toBeLessThan(RESUMED_MS)
    // The server does not know yet that the old connection is dead: what it sends there it sends again in five seconds.
    const claims = [await claimOne(queue)]
    // Whether b was heard is not known.
    if (claims[0]?.id === 'b') claims.push(await claimOne(queue))
    expect(claims.at(-1)?.id).toBe('c')
  })

  test('without a connection nothing is sent, so nothing piles up in the client', async () => {
    const server = await startServer()
    const proxy = await TcpProxy.start(server.port)
    afterwards(() => proxy.stop())
    const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1 })
    afterwards(() => connection.close())
    const queue = await open(0, { connection })
    proxy.refuse()
    while (
      await queue.depth().then(
        () => true,
        () => false,
      )
    )
      await sleep(systemClock, 5)
    const before = connection.stats()
    const payload = JSON.stringify('x'.repeat(100_000))
    for (let n = 0; n < 2_000; n++) {
      const thrown: unknown = await queue.push([task(`t${n}`, { payload })]).catch((reason: unknown) => reason)
      expect(codeOf(thrown)).toBe('BACKEND_UNAVAILABLE')
    }
    expect(connection.stats().outBytes - before.outBytes).toBeLessThan(10_000)
  })

  test('a consumer and its queue outlive kill -9 of the server, and need no help', async () => {
    const server = await startServer()
    const queue = await LoadLevelingQueue.open(server.url, { name: 'orders' })
    const done: unknown[] = []
    const consumer = new LeveledConsumer(queue, (one) => void done.push(one.payload), { concurrency: 4 })
    consumer.on('error', () => undefined)
    await consumer.start()
    await queue.enqueueMany(Array.from({ length: 20 }, (_, payload) => ({ type: 'charge', payload })))
    while (done.length < 20) await sleep(systemClock, 5)
    await server.stop('SIGKILL')
    await sleep(systemClock, 300)
    await server.start()
    const backAt = systemClock.monotonic()
    await insist(() => queue.enqueue({ type: 'charge', payload: 'after' }))
    while (!done.includes('after')) await sleep(systemClock, 5)
    expect(systemClock.monotonic() - backAt).toBeLessThan(RESUMED_MS)
    await consumer.stop()
    await queue.close()
    expect(new Set(done).size).toBe(done.length)
  })
}
