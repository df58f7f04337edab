import { describe, expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { LeveledConsumer } from './leveled-consumer.ts'

async function house(taskMs: number, concurrency: number) {
  const clock = new VirtualClock()
  const service = new MemoryQueueService({ clock })
  const queue = await LoadLevelingQueue.open(service, { clock, random: seededRandom(1) })
  await queue.enqueueMany(Array.from({ length: 1_000 }, (_, payload) => ({ type: 't', payload })))
  const seen = { started: 0, running: 0, most: 0 }
  const handler = async () => {
    seen.started++
    seen.running++
    seen.most = Math.max(seen.most, seen.running)
    if (taskMs > 0) await new Promise<void>((resolve) => void clock.after(taskMs, resolve))
    seen.running--
  }
  const consumer = new LeveledConsumer(queue, handler, { concurrency, random: seededRandom(2) })
  return { clock, service, queue, consumer, seen }
}

describe('outcomes on their way', () => {
  it('do not keep the next attempts waiting, but for a bounded number, and none is lost', async () => {
    const { clock, service, queue, consumer, seen } = await house(5, 4)
    const settle = service.settle.bind(service)
    let isAway = true
    const waiting: (() => void)[] = []
    service.settle = async (settlements) => {
      if (isAway) await new Promise<void>((resolve) => waiting.push(resolve))
      return settle(settlements)
    }
    await consumer.start()
    await clock.advance(5_000)
    // 512 whose outcomes are not stored; of the limit's four those that ended last found no more room.
    expect(seen.started).toBeGreaterThanOrEqual(512)
    expect(seen.started).toBeLessThanOrEqual(512 + 4)
    expect(seen.most).toBe(4)
    isAway = false
    for (const go of waiting) go()
    await clock.advance(5_000)
    expect(seen.started).toBe(1_000)
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, totals: { completed: 1_000 } })
    await consumer.stop()
  })

  it('are awaited by a stop', async () => {
    const { clock, service, queue, consumer } = await house(5, 1)
    const settle = service.settle.bind(service)
    service.settle = async (settlements) => {
      await new Promise<void>((resolve) => void clock.after(700, resolve))
      return settle(settlements)
    }
    await consumer.start()
    await clock.advance(6)
    const stopped = consumer.stop()
    let isStopped = false
    void stopped.then(() => {
      isStopped = true
    })
    await clock.advance(600)
    expect(isStopped).toBe(false)
    await clock.advance(2_000)
    await stopped
    expect((await queue.depth()).inFlight).toBe(0)
  })
})

describe('tasks claimed ahead', () => {
  it('are as many as short attempts use up within moments', async () => {
    const { clock, queue, consumer } = await house(2, 1)
    await consumer.start()
    await clock.advance(200)
    const { inFlight } = await queue.depth()
    expect(inFlight).toBeGreaterThan(3)
    expect(inFlight).toBeLessThanOrEqual(12)
    const stopped = consumer.stop()
    await clock.advance(100)
    await stopped
  })

  it('are none where an attempt takes long: another consumer may be free sooner', async () => {
    const { clock, queue, consumer } = await house(500, 3)
    await consumer.start()
    await clock.advance(5_100)
    expect((await queue.depth()).inFlight).toBe(3)
    const stopped = consumer.stop()
    await clock.advance(1_000)
    await stopped
  })
})
