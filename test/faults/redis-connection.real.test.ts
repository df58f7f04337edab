/** Connections that are cut, silent or refused, between us and a server that is well. */

import { expect, test } from 'vitest'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { pauseThread, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { haveRedis } from '../servers/redis.ts'
import { TcpProxy } from '../servers/tcp-proxy.ts'
import { afterwards, codeOf, open, startServer, task, untilItWorks } from './redis-scene.ts'

const TIMEOUT_MS = 500
const PATIENCE_MS = 10_000

async function behindProxy() {
  const server = await startServer()
  const proxy = await TcpProxy.start(server.port)
  afterwards(() => proxy.stop())
  const direct = await open(server.url)
  const queue = await open(`redis://127.0.0.1:${proxy.port}`, { timeoutMs: TIMEOUT_MS })
  return { proxy, direct, queue }
}

/** How long it took, milliseconds. */
async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = systemClock.monotonic()
  await act()
  return systemClock.monotonic() - start
}

if (haveRedis('lost connections to Redis')) {
  test('a connection that is cut rejects what was under way, and the next call has a new one', async () => {
    const { proxy, queue } = await behindProxy()
    const pushes = Array.from({ length: 50 }, (_, n) => queue.push([task(`t${n}`)]))
    proxy.cut()
    const outcomes = await Promise.allSettled(pushes)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('BACKEND_UNAVAILABLE')
    }
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(PATIENCE_MS)
    // Those whose answers were lost may be stored or not; the same id again makes no second task.
    for (let n = 0; n < 50; n++) await queue.push([task(`t${n}`)])
    expect((await queue.depth()).ready).toBe(50)
  })

  test('a parked claim outlives a cut of both connections, and is granted what is pushed then', async () => {
    const { proxy, direct, queue } = await behindProxy()
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 30_000 })
    await queue.depth()
    proxy.cut()
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(PATIENCE_MS)
    await direct.push([task('a')])
    expect((await parked).map(({ id }) => id)).toEqual(['a'])
  })

  test('a silent connection is given up at the deadline, and all is well after it', async () => {
    const { proxy, direct, queue } = await behindProxy()
    proxy.silence()
    const took = await timed(async () => {
      expect(await codeOf(queue.push([task('a')]))).toBe('BACKEND_UNAVAILABLE')
    })
    expect(took).toBeGreaterThanOrEqual(TIMEOUT_MS)
    expect(took).toBeLessThan(TIMEOUT_MS + 1_000)
    proxy.heal()
    expect(await untilItWorks(() => queue.push([task('a')]))).toBeLessThan(PATIENCE_MS)
    expect((await direct.depth()).ready).toBe(1)
  })

  test('an answer that came while the event loop stood still is taken, late as it is', async () => {
    const { proxy, queue } = await behindProxy()
    await queue.depth()
    const before = proxy.connections
    const push = queue.push([task('a')])
    // The answer can't be read meanwhile, by the proxy of this process neither: so all of it is late by more than the deadline.
    pauseThread(2 * TIMEOUT_MS)
    expect(await push).toEqual([{ status: 'accepted', id: 'a' }])
    expect(proxy.connections).toBe(before)
  })

  test('a server that accepts connections and says nothing is left, and found again when it speaks', async () => {
    const { proxy, queue } = await behindProxy()
    proxy.silence()
    proxy.cut()
    expect(await codeOf(queue.depth())).toBe('BACKEND_UNAVAILABLE')
    const before = proxy.connections
    while (proxy.connections === before) await codeOf(queue.depth())
    proxy.heal()
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(PATIENCE_MS)
  })

  test('a parked claim on a silent connection ends with an error, and not never', async () => {
    const { proxy, queue } = await behindProxy()
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 60_000 })
    await queue.depth()
    proxy.silence()
    expect(await codeOf(parked)).toBe('BACKEND_UNAVAILABLE')
  })

  test('without a connection a bounded number of calls wait for it, no longer than their deadline, and none is done later', async () => {
    const { proxy, direct, queue } = await behindProxy()
    proxy.refuse()
    const errors: string[] = []
    const pushes = Array.from({ length: 1_500 }, (_, n) =>
      queue.push([task(`t${n}`)]).catch((thrown) => {
        errors.push(thrown.code)
      }),
    )
    // More than a thousand are refused at once: long before the first deadline.
    while (errors.length < 500) await Promise.race(pushes)
    expect(await timed(() => Promise.all(pushes))).toBeLessThan(TIMEOUT_MS + 1_000)
    expect(new Set(errors)).toEqual(new Set(['BACKEND_UNAVAILABLE']))
    expect(errors.length).toBe(1_500)
    proxy.heal()
    expect(await untilItWorks(() => queue.depth())).toBeLessThan(PATIENCE_MS)
    expect((await direct.depth()).totals?.accepted).toBe(0)
  })

  test('what can’t be reached is not opened, and the message says what it was', async () => {
    const server = await startServer()
    await server.stop()
    await expect(open(server.url)).rejects.toThrow(/Redis can't be reached: .*ECONNREFUSED/)
    expect(await codeOf(open(server.url))).toBe('BACKEND_UNAVAILABLE')
  })

  test('who only pushes has one connection, who waits a second one', async () => {
    const { proxy, queue } = await behindProxy()
    await queue.push([task('a')])
    await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect(proxy.connections).toBe(1)
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    await queue.push([task('b')])
    expect(await parked).toHaveLength(1)
    expect(proxy.connections).toBe(2)
  })

  test('closing without a connection takes no time', async () => {
    const { proxy, queue } = await behindProxy()
    proxy.refuse()
    const push = codeOf(queue.push([task('a')]))
    expect(await timed(() => queue.close())).toBeLessThan(TIMEOUT_MS)
    expect(await push).toBe('BACKEND_UNAVAILABLE')
  })

  test('a consumer works on by itself after each loss of its connections', async () => {
    const { proxy, direct, queue } = await behindProxy()
    const consumed: string[] = []
    const consumer = new LeveledConsumer(await LoadLevelingQueue.open(queue), (one) => {
      consumed.push(one.id)
    })
    let waiting: (() => void) | undefined
    consumer.on('completed', () => waiting?.())
    await consumer.start()
    afterwards(() => consumer.stop({ graceMs: 0 }))
    for (const fault of ['cut', 'silence', 'refuse'] as const) {
      proxy[fault]()
      await direct.push([task(fault)])
      const completed = new Promise<void>((resolve) => {
        waiting = resolve
      })
      proxy.heal()
      expect(await timed(() => completed)).toBeLessThan(PATIENCE_MS)
      expect(consumed).toContain(fault)
    }
  })
}
