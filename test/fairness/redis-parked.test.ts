/** Parked claims and the limits of keys: who waits is told when a key has room again, also by another process. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import type { NewTask } from '../../packages/forebay/src/backends/queue-service.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'

const task = (id: string, key: string): NewTask => ({
  id,
  type: 'charge',
  payload: '1',
  priority: 0,
  delayMs: 0,
  key,
  weight: 1,
})

if (haveRedis('parked claims and limits of keys')) {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-parked-'))
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start(folder)
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  test('a key with as many in flight as may be holds up no other, and wakes who waits when one is over', async () => {
    const [queue, other] = await Promise.all([0, 1].map(() => openRedis({ url: server.url, queue: 'saturated' })))
    if (!queue || !other) throw new Error('not opened')
    const perKey = { concurrency: 1 }
    await queue.push([task('a1', 'a'), task('a2', 'a'), task('b1', 'b')])
    const claims = await queue.claim({ max: 9, leaseMs: 60_000, waitMs: 0, perKey })
    expect(claims.map(({ id }) => id)).toEqual(['a1', 'b1'])
    const parked = other.claim({ max: 9, leaseMs: 60_000, waitMs: 20_000, perKey })
    await other.depth()
    await queue.settle(claims.slice(1).map((claim) => ({ claim, outcome: 'complete' })))
    await queue.settle(claims.slice(0, 1).map((claim) => ({ claim, outcome: 'complete' })))
    expect((await parked).map(({ id }) => id)).toEqual(['a2'])
    await Promise.all([queue.close(), other.close()])
  })

  test('a parked claim is granted the next task of a key when its rate allows it', async () => {
    const queue = await openRedis({ url: server.url, queue: 'paced' })
    const perKey = { perSecond: 5 }
    await queue.push(Array.from({ length: 4 }, (_, n) => task(`t${n}`, 'a')))
    const start = systemClock.monotonic()
    const at: number[] = []
    while (at.length < 4) {
      const claims = await queue.claim({ max: 9, leaseMs: 60_000, waitMs: 20_000, perKey })
      for (const _ of claims) at.push(systemClock.monotonic() - start)
    }
    for (const [index, time] of at.entries()) expect(time).toBeGreaterThanOrEqual(index * 200 - 4 * index - 1)
    // Each came soon after its time: long before the claim would have asked again by itself.
    expect(at[3]).toBeLessThan(1_900)
    await queue.close()
  })
}
