/** Channels that the server closes, and what is asked of it through them. */

import type { Channel } from 'rabbitmq-client'
import { describe, expect } from 'vitest'
import type { Claim } from '../../../packages/forebay/src/backends/queue-service.ts'
import type { RabbitmqQueueService } from '../../../packages/forebay/src/backends/rabbitmq/rabbitmq-queue-service.ts'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import type { RabbitmqServer } from '../../servers/rabbitmq.ts'
import { claim, complete, newName, open, plainConnection, serverTest, task, until } from './scene.ts'

export function testChannels(none: string | undefined, server: () => RabbitmqServer): void {
  describe('channels', () => {
    serverTest(none, 'channels that the server closes are opened anew; what was granted by them is stale', async () => {
      const connection = plainConnection(server().url)
      const channels: Channel[] = []
      const acquire = connection.acquire.bind(connection)
      connection.acquire = async (options) => {
        const channel = await acquire(options)
        channels.push(channel)
        return channel
      }
      const queue = await open({ connection, queue: newName() })
      await queue.push([task('a'), task('b', { delayMs: 1_500 })])
      const before = await claim(queue)
      const parked = claim(queue, 1, 10_000)
      expect((await queue.depth()).inFlight).toBe(1)

      // Nobody was given this delivery: PRECONDITION_FAILED.
      for (const channel of channels) if (channel.active) channel.basicAck({ deliveryTag: 99_999 })
      await until('all channels are closed', () => channels.slice(0, 4).every(({ active }) => !active))

      expect((await parked).map(({ id, task: { attempts } }) => [id, attempts])).toEqual([['a', 2]])
      expect(await complete(queue, before)).toEqual(['stale'])
      expect(await queue.extend(before, 60_000)).toEqual([{ status: 'stale' }])
      expect(await complete(queue, await parked)).toEqual(['settled'])
      expect((await claim(queue, 1, 5_000)).map(({ id }) => id)).toEqual(['b'])
      expect((await queue.push([task('c')]))[0]?.status).toBe('accepted')
    })

    serverTest(none, 'a claim is brought no more than it asked for: the rest is anybody else’s', async () => {
      const name = newName()
      const [one, other] = [
        await open({ url: server().url, queue: name }),
        await open({ url: server().url, queue: name }),
      ]
      await one.push(Array.from({ length: 10 }, (_, n) => task(`t${n}`)))
      expect(await claim(one, 3)).toHaveLength(3)
      expect(await claim(other, 100)).toHaveLength(7)
      expect(await claim(one, 100)).toHaveLength(0)
    })

    serverTest(
      none,
      'what was asked for and is no longer wanted goes back uncounted, and the next claim is served',
      async () => {
        const name = newName()
        const [one, other] = [
          await open({ url: server().url, queue: name }),
          await open({ url: server().url, queue: name }),
        ]
        // A claim for five that takes the first leaves four that the server still owes.
        const parked = claim(one, 5, 10_000)
        await other.push([task('first')])
        expect(await parked).toHaveLength(1)
        await other.push([task('a'), task('b')])
        const back: Claim[] = []
        while (back.length < 2) back.push(...(await claim(other, 2, 5_000)))
        expect(back.map(({ task: { attempts } }) => attempts)).toEqual([1, 1])
        // A claim that comes while the rest is being called off.
        for (const afterMs of [235, 245, 250, 255, 265]) {
          const aborted = new AbortController()
          const wait = one.claim({ max: 5, leaseMs: 60_000, waitMs: 10_000, signal: aborted.signal })
          await one.depth()
          aborted.abort()
          expect(await wait).toEqual([])
          await sleep(systemClock, afterMs)
          const next = claim(one, 1, 10_000)
          const pushed = systemClock.monotonic()
          await other.push([task(`after ${afterMs}`)])
          expect(await next).toHaveLength(1)
          expect(systemClock.monotonic() - pushed).toBeLessThan(2_000)
        }
      },
    )

    serverTest(
      none,
      'three that starve share a trickle: each task is picked up soon, by one, as its first attempt',
      async () => {
        const name = newName()
        const queues: RabbitmqQueueService[] = []
        for (let n = 0; n < 3; n++) queues.push(await open({ url: server().url, queue: name }))
        const [queue] = queues as [RabbitmqQueueService]
        const total = 150
        const granted: Claim[] = []
        const end = new AbortController()
        const consume = async (one: RabbitmqQueueService) => {
          while (!end.signal.aborted) {
            const claims = await one.claim({ max: 8, leaseMs: 60_000, waitMs: 10_000, signal: end.signal })
            granted.push(...claims)
            await complete(one, claims)
          }
        }
        const consuming = queues.map(consume)
        for (let n = 0; n < total; n++) {
          await queue.push([task(`t${n}`)])
          await sleep(systemClock, 5)
        }
        await until('all are granted', () => granted.length >= total)
        end.abort()
        await Promise.all(consuming)
        expect(new Set(granted.map(({ id }) => id)).size).toBe(total)
        expect(granted.filter(({ task: { attempts } }) => attempts !== 1)).toEqual([])
        const waited = granted.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b)
        expect(waited[total / 2]).toBeLessThan(100)
      },
    )

    serverTest(none, 'a lease ends before the server’s consumer_timeout would close the channel', async () => {
      const queue = await open({ url: server().url, queue: newName(), consumerTimeoutMs: 2_000 })
      expect(queue.capabilities.maxLeaseMs).toBe(1_000)
      await expect(claim(queue, 1, 0, 1_001)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      await queue.push([task('a')])
      const [held] = await claim(queue, 1, 0, 900)
      await sleep(systemClock, 50)
      expect(await queue.extend([held as never], 900)).toMatchObject([{ status: 'extended' }])
      await sleep(systemClock, 200)
      expect(await queue.extend([held as never], 900)).toEqual([{ status: 'stale' }])
      expect((await claim(queue, 1, 5_000, 900)).map(({ task: { attempts } }) => attempts)).toEqual([2])
    })
  })
}
