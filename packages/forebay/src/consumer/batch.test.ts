import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { seededRandom } from '../random.ts'
import { type BatchHandler, type BatchOptions, batch } from './handler.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { ConsumerOptions } from './options.ts'
import { dead, release, retryIn } from './outcome.ts'

async function house(handle: BatchHandler<AnyTaskTypes>, batchOptions: BatchOptions, options: ConsumerOptions = {}) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const batches: { readonly at: number; readonly payloads: unknown[] }[] = []
  const handler = batch<AnyTaskTypes>((tasks, context) => {
    batches.push({ at: clock.monotonic(), payloads: tasks.map(({ payload }) => payload) })
    return handle(tasks, context)
  }, batchOptions)
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2), ...options })
  const fill = (count: number, from = 0) =>
    queue.enqueueMany(Array.from({ length: count }, (_, index) => ({ type: 't', payload: from + index })))
  return { clock, queue, consumer, batches, fill }
}

describe('a batch handler', () => {
  it('takes up to so many tasks in one call, in order, and one call is one start', async () => {
    const { clock, queue, consumer, batches, fill } = await house(
      () => undefined,
      { maxTasks: 10 },
      {
        rate: { perSecond: 2, rampMs: 0 },
        concurrency: 4,
      },
    )
    await fill(35)
    await consumer.start()
    await clock.advance(3_000)
    expect(batches.map(({ payloads }) => payloads.length)).toEqual([10, 10, 10, 5])
    expect(batches.flatMap(({ payloads }) => payloads)).toEqual(Array.from({ length: 35 }, (_, index) => index))
    expect(batches.map(({ at }) => at - (batches[0]?.at ?? 0))).toEqual([0, 500, 1_000, 1_500])
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, totals: { completed: 35 } })
    await consumer.stop()
  })

  it('waits for a batch to fill, and no longer than was said', async () => {
    const { clock, consumer, batches, fill } = await house(() => undefined, { maxTasks: 10, maxWaitMs: 500 })
    await consumer.start()
    await fill(3)
    await clock.advance(300)
    await fill(3, 3)
    await clock.advance(199)
    expect(batches).toEqual([])
    await clock.advance(1)
    expect(batches).toEqual([{ at: 500, payloads: [0, 1, 2, 3, 4, 5] }])
    await clock.advance(100)
    await fill(10, 6)
    await clock.advance(0)
    expect(batches[1]).toMatchObject({ at: 600, payloads: [6, 7, 8, 9, 10, 11, 12, 13, 14, 15] })
    await consumer.stop()
  })

  it('settles each task by its own outcome', async () => {
    const outcomes = [undefined, retryIn(1_000, 'later'), dead('never'), release(2_000)]
    const first = outcomes.slice()
    const { clock, queue, consumer, batches, fill } = await house((tasks) => tasks.map(() => first.shift()), {
      maxTasks: 4,
    })
    await fill(4)
    await consumer.start()
    await clock.advance(500)
    expect(await queue.depth()).toMatchObject({ delayed: 2, dead: 1, totals: { completed: 1 } })
    await clock.advance(2_000)
    expect(batches.map(({ payloads }) => payloads)).toEqual([[0, 1, 2, 3], [1], [3]])
    expect((await queue.dead.list({ limit: 9 })).items[0]?.task.failures[0]?.message).toBe('never')
    await consumer.stop()
  })

  it.each([
    ['throws', () => Promise.reject(new Error('down'))],
    ['returns too many outcomes', () => new Array(9)],
    ['returns no outcomes', () => 'fine' as unknown as undefined],
  ])('retries all when it %s', async (_, handle) => {
    const { clock, queue, consumer, batches, fill } = await house(
      handle as BatchHandler<AnyTaskTypes>,
      { maxTasks: 5 },
      {
        retry: { maxAttempts: 2, baseMs: 100 },
      },
    )
    await fill(5)
    await consumer.start()
    await clock.advance(5_000)
    expect(batches.flatMap(({ payloads }) => payloads).sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    expect((await queue.depth()).dead).toBe(5)
    await consumer.stop()
  })

  it('an unreadable task does not spoil the batch, a downstream that asks for quiet quiets the queue', async () => {
    const { clock, queue, consumer, batches, fill } = await house(
      (tasks) => (batches.length === 1 ? tasks.map(() => release(3_000, { holdStarts: true })) : undefined),
      { maxTasks: 3 },
    )
    await queue.service.push([{ id: 'bad', type: 't', payload: '{', priority: 0, delayMs: 0 }])
    await fill(5)
    await consumer.start()
    await clock.advance(2_000)
    expect(batches.map(({ payloads }) => payloads)).toEqual([[0, 1]])
    expect((await queue.depth()).dead).toBe(1)
    await clock.advance(2_000)
    expect(
      batches
        .slice(1)
        .flatMap(({ payloads }) => payloads)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4])
    await consumer.stop()
  })

  it('takes the sum of its costs from a rate that counts them', async () => {
    const { clock, queue, consumer, batches } = await house(
      () => undefined,
      { maxTasks: 2 },
      {
        rate: { perSecond: 100, counts: 'cost', rampMs: 0 },
      },
    )
    await queue.enqueueMany([10, 20, 50, 50, 1, 1].map((cost) => ({ type: 't', payload: cost, cost })))
    await consumer.start()
    await clock.advance(5_000)
    expect(batches.map(({ at, payloads }) => [at - (batches[0]?.at ?? 0), payloads])).toEqual([
      [0, [10, 20]],
      [300, [50, 50]],
      [1_300, [1, 1]],
    ])
    await consumer.stop()
  })

  it('goes on when the lease of one of its tasks is lost, and ends when all are', async () => {
    const signals: AbortSignal[] = []
    const clockHouse = await house(
      (_, { signal }) => {
        signals.push(signal)
        return new Promise((resolve) => void clockHouse.clock.after(3_000, () => resolve(undefined)))
      },
      { maxTasks: 2 },
      { leaseMs: 3_000 },
    )
    const { clock, queue, consumer, fill } = clockHouse
    const lost: string[] = []
    consumer.on('leaseLost', ({ task }) => lost.push(task.id))
    await fill(2)
    await consumer.start()
    await clock.advance(100)
    const extend = queue.service.extend.bind(queue.service)
    queue.service.extend = async (claims, ms) => {
      const results = await extend(claims, ms)
      return results.map((result, index) => (index === 0 ? { status: 'stale' } : result))
    }
    await clock.advance(1_100)
    expect(lost).toHaveLength(1)
    expect(signals[0]?.aborted).toBe(false)
    queue.service.extend = async (claims) => claims.map(() => ({ status: 'stale' }))
    await clock.advance(1_000)
    expect(lost).toHaveLength(2)
    expect(signals[0]?.aborted).toBe(true)
    const stopped = consumer.stop()
    await clock.advance(10_000)
    await stopped
  })

  it('gives back what it holds when it stops, and refuses settings that make no sense', async () => {
    const { clock, queue, consumer, batches, fill } = await house(() => undefined, { maxTasks: 10, maxWaitMs: 5_000 })
    await consumer.start()
    await fill(3)
    await clock.advance(100)
    await consumer.stop()
    expect(batches).toEqual([])
    expect(await queue.depth()).toMatchObject({ ready: 3, inFlight: 0 })
    expect(() => batch(() => undefined, { maxTasks: 1 })).toThrow(/maxTasks is a whole number from 2/)
    expect(() => batch(() => undefined, { maxTasks: 5, maxWaitMs: -1 })).toThrow(/maxWaitMs/)
    const slow = batch<AnyTaskTypes>(() => undefined, { maxTasks: 5, maxWaitMs: 20_000 })
    expect(() => new LeveledConsumer(queue, slow)).toThrow(/maxWaitMs is a number from 0 to 15000/)
  })
})
