/** Attempts, priorities and delays: what the two kinds of queues count and order. */

import { describe, expect } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../../packages/forebay/src/queue/load-leveling-queue.ts'
import { mostInWindow } from '../../../packages/forebay/src/replay/figures.ts'
import type { RabbitmqServer } from '../../servers/rabbitmq.ts'
import { afterwards, claim, complete, Holder, newName, open, serverTest, task, until } from './scene.ts'

export function testCounts(none: string | undefined, server: () => RabbitmqServer): void {
  describe('counts and order', () => {
    for (const queueType of ['quorum', 'classic'] as const) {
      serverTest(none, `${queueType}: a task that kills its process has used up an attempt each time`, async () => {
        const name = newName()
        const url = `${server().url}?queueType=${queueType}`
        const queue = await open({ url, queue: name })
        await queue.push([task('killer')])
        for (const attempt of [1, 2, 3]) {
          const holder = new Holder(url, name, 60_000)
          expect(await holder.line()).toBe(`granted killer ${attempt}`)
          await holder.kill()
        }
        const [last] = await claim(queue, 1, 5_000)
        expect(last?.task.attempts).toBe(4)
        // A release takes its own attempt back and no other.
        await queue.settle([{ claim: last as never, outcome: 'release', delayMs: 0 }])
        expect((await claim(queue, 1, 5_000))[0]?.task.attempts).toBe(4)
      })
    }

    serverTest(
      none,
      'classic: higher priorities go first, and one that would not be told apart is refused',
      async () => {
        const queue = await LoadLevelingQueue.open(`${server().url}?queueType=classic`, { name: newName() })
        afterwards(() => queue.close())
        for (const priority of [0, -5, 4, 1, 4]) await queue.enqueue({ type: 't', payload: priority, priority })
        const claims = await claim(queue.service)
        expect(claims.map(({ task: { payload } }) => Number(payload))).toEqual([4, 4, 1, 0, -5])
        await queue.service.settle(claims.map((one) => ({ claim: one, outcome: 'release', delayMs: 100 })))
        await until('all are ready again', async () => (await queue.depth()).ready === 5)
        expect((await claim(queue.service)).map(({ task: { payload } }) => Number(payload))).toEqual([4, 4, 1, 0, -5])
        await expect(queue.enqueue({ type: 't', payload: 1, priority: 5 })).rejects.toMatchObject({
          code: 'UNSUPPORTED',
          message: expect.stringContaining('it tells those from -5 to 4 apart'),
        })
      },
    )

    serverTest(none, 'a delay ends neither early nor late, whichever queues it passes through', async () => {
      const queue = await open({ url: server().url, queue: newName() })
      const delays = [50, 400, 999, 1_000, 1_001, 1_700, 2_300, 4_000, 4_200]
      const began = systemClock.monotonic()
      await queue.push(delays.map((delayMs) => task(String(delayMs), { delayMs })))
      expect((await queue.depth()).delayed).toBe(delays.length)
      for (let left = delays.length; left > 0; ) {
        const claims = await claim(queue, 1, 10_000)
        const took = systemClock.monotonic() - began
        for (const { id } of claims) {
          expect(took).toBeGreaterThanOrEqual(Number(id))
          expect(took).toBeLessThan(Number(id) + 500)
        }
        left -= claims.length
        await complete(queue, claims)
      }
      expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0 })
    })

    serverTest(none, 'with a coordinator beside it, consumers keep one rate together', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'forebay-coordinator-'))
      afterwards(() => rm(folder, { recursive: true }))
      const options = { name: newName(), coordinator: `sqlite:${join(folder, 'rates.db')}` }
      const queues = [
        await LoadLevelingQueue.open(server().url, options),
        await LoadLevelingQueue.open(server().url, options),
      ]
      const [queue] = queues as [LoadLevelingQueue]
      const starts: number[] = []
      const consumers = queues.map(
        (one) =>
          new LeveledConsumer(one, () => void starts.push(systemClock.monotonic()), {
            rate: { perSecond: 100, rampMs: 0 },
            concurrency: 20,
          }),
      )
      await queue.enqueueMany(Array.from({ length: 150 }, (_, payload) => ({ type: 't', payload })))
      for (const consumer of consumers) await consumer.start()
      await until('all have started', () => starts.length >= 150)
      for (const consumer of consumers) await consumer.stop()
      for (const one of queues) await one.close()
      expect(starts).toHaveLength(150)
      expect(mostInWindow(starts, 1_000)).toBeLessThanOrEqual(106)
      expect((starts.at(-1) as number) - (starts[0] as number)).toBeGreaterThan(1_400)
    })
  })
}
