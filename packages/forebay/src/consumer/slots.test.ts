import { describe, expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import type { SharedState } from '../backends/shared-state.ts'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { ConsumerOptions } from './options.ts'

async function house(consumers: number, options: ConsumerOptions, taskMs = 1_000) {
  const clock = new VirtualClock()
  const service = new MemoryQueueService({ clock })
  const queue = await LoadLevelingQueue.open(service, { clock, random: seededRandom(1) })
  const running = new Array<number>(consumers).fill(0)
  const most = { sum: 0, each: new Array<number>(consumers).fill(0) }
  const done = new Array<number>(consumers).fill(0)
  const all = Array.from({ length: consumers }, (_, by) => {
    const handler = async () => {
      running[by] = (running[by] as number) + 1
      most.sum = Math.max(
        most.sum,
        running.reduce((sum, one) => sum + one, 0),
      )
      most.each[by] = Math.max(most.each[by] as number, running[by] as number)
      await new Promise<void>((resolve) => void clock.after(taskMs, resolve))
      running[by] = (running[by] as number) - 1
      done[by] = (done[by] as number) + 1
    }
    return new LeveledConsumer(queue, handler, { random: seededRandom(by + 10), ...options })
  })
  const fill = (count: number) =>
    queue.enqueueMany(Array.from({ length: count }, (_, payload) => ({ type: 't', payload })))
  const stop = async () => {
    const stopped = Promise.all(all.map((consumer) => consumer.stop({ graceMs: 0 })))
    await clock.advance(5_000)
    await stopped
  }
  return { clock, queue, service, consumers: all, running, most, done, fill, stop }
}

const EIGHT: ConsumerOptions = { concurrency: { max: 8, scope: 'queue' } }

describe('a limit on concurrency that belongs to the queue', () => {
  it('four consumers never run more than the limit together, use it whole, and share it', async () => {
    const { clock, consumers, most, done, fill, stop } = await house(4, EIGHT)
    await fill(1_000)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(60_000)
    expect(most.sum).toBe(8)
    const finished = done.reduce((sum, one) => sum + one, 0)
    // 8 a second, but for the moments in which slots changed hands.
    expect(finished).toBeGreaterThan(0.95 * 8 * 59)
    for (const one of done) expect(one / finished).toBeGreaterThan(0.2)
    await stop()
  })

  it('one consumer alone has the whole limit, and gives its part up as others come', async () => {
    const { clock, consumers, most, running, fill, stop } = await house(2, EIGHT)
    await fill(1_000)
    await consumers[0]?.start()
    await clock.advance(5_000)
    expect(running[0]).toBe(8)
    await consumers[1]?.start()
    await clock.advance(5_000)
    expect(running).toEqual([4, 4])
    void consumers[0]?.stop()
    await clock.advance(3_000)
    expect(running[1]).toBe(8)
    expect(most.sum).toBe(8)
    await stop()
  })

  it('what one that vanished held is free when its lease ends, and not before', async () => {
    const { clock, service, consumers, running, fill, stop } = await house(2, EIGHT, 100_000)
    await fill(1_000)
    await consumers[0]?.start()
    await clock.advance(1_000)
    expect(running[0]).toBe(8)
    // From here on nothing of the first one reaches the engine any more.
    const shared = service.shared as SharedState
    const apply = shared.apply.bind(shared)
    const holder = new Set<string>()
    shared.apply = (cell, step) => {
      if (step.kind === 'share' && holder.size === 0) holder.add(step.holder)
      const isFirst = step.kind === 'share' && holder.has(step.holder)
      return isFirst ? Promise.reject(new Error('cut off')) : apply(cell, step)
    }
    await clock.advance(3_500)
    await consumers[1]?.start()
    await clock.advance(5_000)
    expect(running[1]).toBe(0)
    await clock.advance(6_000)
    expect(running[1]).toBe(8)
    shared.apply = apply
    await stop()
  })

  it('an idle queue holds no slots, and costs no calls', async () => {
    const { clock, service, consumers, done, fill, stop } = await house(3, EIGHT, 10)
    const shared = service.shared as SharedState
    const apply = shared.apply.bind(shared)
    let calls = 0
    shared.apply = (cell, step) => {
      calls++
      return apply(cell, step)
    }
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await fill(5)
    await clock.advance(2_000)
    expect(done.reduce((sum, one) => sum + one, 0)).toBe(5)
    calls = 0
    await clock.advance(60_000)
    expect(calls).toBe(0)
    await stop()
  })

  it('keeps the calls below five a second and process while it is contended', async () => {
    const { clock, service, consumers, fill, stop } = await house(4, EIGHT, 20)
    const shared = service.shared as SharedState
    const apply = shared.apply.bind(shared)
    let calls = 0
    shared.apply = (cell, step) => {
      calls++
      return apply(cell, step)
    }
    await fill(20_000)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(10_000)
    expect(calls / 4 / 10).toBeLessThanOrEqual(5.2)
    await stop()
  })

  it('follows a change of the limit, also to one of its own and back', async () => {
    const { clock, consumers, running, fill, stop } = await house(1, EIGHT, 100)
    await fill(10_000)
    const [consumer] = consumers as [LeveledConsumer]
    await consumer.start()
    await clock.advance(1_000)
    consumer.update({ concurrency: { max: 3, scope: 'queue' } })
    await clock.advance(1_000)
    expect(running[0]).toBe(3)
    consumer.update({ concurrency: 12 })
    await clock.advance(1_000)
    expect(running[0]).toBe(12)
    consumer.update({ concurrency: { max: 5, scope: 'queue' } })
    await clock.advance(1_000)
    expect(running[0]).toBe(5)
    await stop()
  })

  it('is refused where the engine can share nothing', async () => {
    const { service, queue } = await house(0, EIGHT)
    Object.defineProperty(service, 'shared', { value: undefined })
    expect(() => new LeveledConsumer(queue, () => undefined, EIGHT)).toThrow(/can't keep one limit over all consumers/)
    const wrong = { concurrency: { max: 8, scope: 'world' } } as unknown as ConsumerOptions
    expect(() => new LeveledConsumer(queue, () => undefined, wrong)).toThrow(/scope is "queue" or "process"/)
  })
})
