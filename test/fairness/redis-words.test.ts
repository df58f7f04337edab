/** The words that wake those who wait: not more of them than somebody can use, and one that is lost is soon followed by another. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewTask } from '../../packages/forebay/src/backends/queue-service.ts'
import { openRedis } from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { haveRedis, RedisServer } from '../servers/redis.ts'

const task = (id: number): NewTask => ({ id: `t${id}`, type: 'charge', payload: '1', priority: 0, delayMs: 0 })

if (haveRedis('words that wake')) {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-words-'))
  let server: RedisServer
  let client: Redis
  beforeAll(async () => {
    server = await RedisServer.start(folder)
    client = new Redis(server.url)
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  const blocked = async () => ((await client.client('LIST')) as string).match(/cmd=xreadgroup/g)?.length ?? 0
  const words = async (queue: string) => {
    const [[, pairs]] = (await client.xrange(`forebay:{${queue}}:wake`, '-', '+')) as [[string, string[]]]
    expect(pairs).toEqual(['w', ''])
    const info = (await client.xinfo('STREAM', `forebay:{${queue}}:wake`)) as (string | number)[]
    return info[info.indexOf('entries-added') + 1] as number
  }

  test('pushes send no word while one is under way to somebody, and again once he has asked', async () => {
    const queue = await openRedis({ url: server.url, queue: 'words' })
    const waiting = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
    while ((await blocked()) < 1) await queue.depth()
    await queue.push([task(0)])
    expect(await waiting).toHaveLength(1)
    // From now on nobody waits here, and for two seconds the engine does not know it.
    const before = await words('words')
    const began = systemClock.monotonic()
    for (let id = 1; id <= 300; id++) await queue.push([task(id)])
    const tookMs = systemClock.monotonic() - began
    const sent = (await words('words')) - before
    expect(sent).toBeGreaterThanOrEqual(1)
    expect(sent).toBeLessThanOrEqual(2 + tookMs / 10)
    const next = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
    expect(next.map(({ id }) => id)).toEqual(['t1'])
    const asked = await words('words')
    await queue.push([task(301)])
    // The claim itself has passed the word on, because it left some.
    expect(asked).toBeGreaterThan(before)
    await queue.close()
  })

  test('a word whose reader dies is followed by another one long before the claim would ask by itself', async () => {
    const [queue, producer] = [
      await openRedis({ url: server.url, queue: 'lost' }),
      await openRedis({ url: server.url, queue: 'lost' }),
    ]
    await client.xgroup('CREATE', 'forebay:{lost}:wake', 'parked', '0', 'MKSTREAM')
    const thief = new Redis(server.url)
    const read = ['GROUP', 'parked', 'forebay', 'COUNT', 1, 'BLOCK', 60_000, 'NOACK', 'STREAMS'] as const
    const stolen = thief.xreadgroup(...read, 'forebay:{lost}:wake', '>')
    while ((await blocked()) < 1) await queue.depth()
    const waiting = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
    while ((await blocked()) < 2) await queue.depth()
    const began = systemClock.monotonic()
    await producer.push([task(0)])
    expect(await stolen).not.toBeNull()
    let claimed = false
    const done = waiting.then((claims) => {
      claimed = true
      return claims
    })
    for (let id = 1; !claimed; id++) await producer.push([task(id)])
    expect((await done).map(({ id }) => id)).toEqual(['t0'])
    expect(systemClock.monotonic() - began).toBeLessThan(1_500)
    thief.disconnect()
    await Promise.all([queue.close(), producer.close()])
  })
}
