import { expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { ConsumerOptions } from './options.ts'

/** A queue at an engine that delivers by itself, at most 500 a second. */
async function scene(options: ConsumerOptions) {
  const clock = new VirtualClock()
  const asked: number[] = []
  const engine = { answer: async (_perSecond: number): Promise<void> => {} }
  const keep = (perSecond: number) => {
    asked.push(perSecond)
    return engine.answer(perSecond)
  }
  const service = Object.assign(new MemoryQueueService({ clock }), { ownRate: { mostPerSecond: 500, keep } })
  // The decorators of the port pass it on.
  const queue = await LoadLevelingQueue.open(service, {
    clock,
    random: seededRandom(1),
    telemetry: createTelemetry({ clock, eventLoop: false }),
    maxDepth: 100,
    overflow: { policy: 'wait', deadlineMs: 1 },
  })
  const make = () => new LeveledConsumer(queue, () => {}, { random: seededRandom(1), ...options })
  return { clock, queue, asked, engine, make }
}

it('an engine’s own rate follows the consumer’s: when it starts, and when it changes', async () => {
  const { clock, asked, make } = await scene({ rate: { perSecond: 50 }, concurrency: 2 })
  const consumer = make()
  await clock.advance(1_000)
  expect(asked).toEqual([])
  await consumer.start()
  await clock.advance(10)
  expect(asked).toEqual([50])
  consumer.update({ rate: { perSecond: 20 } })
  await clock.advance(10)
  consumer.update({ concurrency: 8 })
  await clock.advance(10)
  expect(asked).toEqual([50, 20])
  consumer.update({ rate: null })
  await clock.advance(10)
  expect(asked).toEqual([50, 20, Number.POSITIVE_INFINITY])
  await consumer.stop()
})

it('it is the lowest of the limits on starts, in starts a second', async () => {
  const also = [{ perMinute: 600 }, { perSecond: 1, counts: 'cost' as const }]
  const { clock, asked, make } = await scene({ rate: { perSecond: 50, also } })
  const consumer = make()
  await consumer.start()
  await clock.advance(10)
  expect(asked).toEqual([10])
  await consumer.stop()
})

it.each([
  ['no limit on its starts', {}],
  ['a limit on costs alone', { rate: { perSecond: 5, counts: 'cost' } }],
  ['a rate of its own', { rate: { perSecond: 5, scope: 'process' } }],
] as const)('a consumer with %s leaves it as it is', async (_what, options) => {
  const { clock, asked, make } = await scene(options)
  const consumer = make()
  await consumer.start()
  consumer.update({ concurrency: 3 })
  await clock.advance(1_000)
  await consumer.stop()
  expect(asked).toEqual([])
})

it('one call at a time is under way, and only the latest of many wishes follows it', async () => {
  const { clock, asked, engine, make } = await scene({ rate: { perSecond: 50 } })
  const answers: (() => void)[] = []
  engine.answer = () => new Promise((resolve) => answers.push(resolve))
  const consumer = make()
  await consumer.start()
  for (const perSecond of [40, 30, 20]) consumer.update({ rate: { perSecond } })
  await clock.advance(1_000)
  expect(asked).toEqual([50])
  answers.shift()?.()
  await clock.advance(10)
  expect(asked).toEqual([50, 20])
  answers.shift()?.()
  await consumer.stop()
})

it('a failure is told and tried again, with the latest wish, and not after the stop; tasks go on meanwhile', async () => {
  const { clock, queue, asked, engine, make } = await scene({ rate: { perSecond: 50, rampMs: 0 } })
  engine.answer = async () => {
    throw new Error('No permission.')
  }
  const consumer = make()
  const errors: number[] = []
  consumer.on('error', ({ error, retryInMs }) => {
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    errors.push(retryInMs)
  })
  await consumer.start()
  await queue.enqueueMany(Array.from({ length: 10 }, (_, payload) => ({ type: 't', payload })))
  await clock.advance(300)
  expect((await queue.depth()).totals).toMatchObject({ completed: 10 })
  consumer.update({ rate: { perSecond: 20 } })
  await clock.advance(120_000)
  expect(asked.length).toBeGreaterThan(3)
  expect(asked.length).toBeLessThan(20)
  expect(asked.slice(1)).toEqual(asked.slice(1).map(() => 20))
  expect(errors).toHaveLength(asked.length)
  engine.answer = async () => {}
  await clock.advance(60_000)
  const calls = asked.length
  await clock.advance(600_000)
  expect(asked).toHaveLength(calls)

  engine.answer = async () => {
    throw new Error('No permission.')
  }
  consumer.update({ rate: { perSecond: 10 } })
  await clock.advance(1)
  await consumer.stop()
  await clock.advance(600_000)
  expect(asked).toHaveLength(calls + 1)
})

it('a rate beyond what the engine delivers is refused, at the start and when it changes', async () => {
  const refusal = expect.objectContaining({
    code: 'UNSUPPORTED',
    path: 'rate',
    message: expect.stringContaining('delivers at most 500 tasks a second: lower the rate'),
  })
  expect((await scene({ rate: { perSecond: 501 } })).make).toThrow(refusal)
  const { clock, asked, make } = await scene({ rate: { perMinute: 30_000 } })
  const consumer = make()
  await consumer.start()
  expect(() => consumer.update({ rate: { perSecond: 501 } })).toThrow(refusal)
  await clock.advance(10)
  expect([asked, consumer.limits.perSecond]).toEqual([[500], 500])
  await consumer.stop()
})
