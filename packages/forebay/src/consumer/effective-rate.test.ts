import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import type { Handler } from './handler.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { ConsumerOptions } from './options.ts'
import { release } from './outcome.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'

type AnyHandler = Handler<AnyTaskTypes>

async function running(handler: AnyHandler, options: ConsumerOptions<AnyTaskTypes>) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2), ...options })
  await queue.enqueueMany(Array.from({ length: 500 }, (_, payload) => ({ type: 'work', payload })))
  await consumer.start()
  return { clock, consumer }
}

const taking = (clock: () => VirtualClock, ms: number) => () =>
  new Promise<undefined>((resolve) => void clock().after(ms, () => resolve(undefined)))

it('is what the rate or the limit leaves, and says which', async () => {
  let made: VirtualClock | undefined
  const handler = taking(() => made as VirtualClock, 200)
  const { clock, consumer } = await running(handler, { rate: { perSecond: 30, rampMs: 0 }, concurrency: 4 })
  made = clock
  expect(consumer.effectiveRate).toEqual({ perSecond: 30, boundBy: 'rate' })
  await clock.advance(2_000)
  expect(consumer.effectiveRate).toEqual({ perSecond: 20, boundBy: 'concurrency' })
  consumer.update({ concurrency: 10 })
  expect(consumer.effectiveRate).toEqual({ perSecond: 30, boundBy: 'rate' })
  consumer.update({ rate: { perSecond: 30, also: [{ perMinute: 600 }, { perMinute: 60, counts: 'cost' }] } })
  expect(consumer.effectiveRate).toEqual({ perSecond: 10, boundBy: 'rate' })
  consumer.pause()
  expect(consumer.effectiveRate).toEqual({ perSecond: 0, boundBy: 'paused' })
  consumer.resume()
  expect(consumer.effectiveRate.boundBy).toBe('rate')
  const stopped = consumer.stop()
  await clock.advance(1_000)
  await stopped
  expect(consumer.effectiveRate).toEqual({ perSecond: 0, boundBy: 'paused' })
})

it('is 0 while the downstream asked for quiet, for as long as it asked', async () => {
  const answers = [release(5_000, { holdStarts: true })]
  const { clock, consumer } = await running(() => answers.pop(), { rate: { perSecond: 10 } })
  await clock.advance(4_900)
  expect(consumer.effectiveRate).toEqual({ perSecond: 0, boundBy: 'hold' })
  await clock.advance(200)
  expect(consumer.effectiveRate).toEqual({ perSecond: 10, boundBy: 'rate' })
  await consumer.stop()
})

it('is 0 while the breaker is open, and while its probes find out', async () => {
  let made: VirtualClock | undefined
  const handler = async () => {
    await taking(() => made as VirtualClock, 100)()
    throw new Error('connect ECONNREFUSED')
  }
  const breaker = { minCalls: 5, openMs: 1_000, maxOpenMs: 1_000 }
  const { clock, consumer } = await running(handler, { rate: { perSecond: 50, rampMs: 0 }, concurrency: 5, breaker })
  made = clock
  const seen: unknown[] = []
  consumer.on('breaker', ({ state }) => seen.push([state, consumer.effectiveRate]))
  await clock.advance(3_000)
  const none = { perSecond: 0, boundBy: 'breaker' }
  expect(seen.slice(0, 2)).toEqual([
    ['open', none],
    ['half-open', none],
  ])
  const stopped = consumer.stop()
  await clock.advance(1_000)
  await stopped
})
