import { expect, test } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { dead, retryIn } from '../consumer/outcome.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { FlowMeter } from './flow-meter.ts'
import { type LiveFigures, LiveSampler, SAMPLES_KEPT } from './live-sampler.ts'

async function open(handler: ConstructorParameters<typeof LeveledConsumer>[1] = () => undefined) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, maxDepth: 30 })
  const consumer = new LeveledConsumer(queue, handler, { rate: { perSecond: 10, rampMs: 0 }, concurrency: 4, clock })
  const sampler = new LiveSampler(
    [{ name: 'orders', queue, consumer, flow: new FlowMeter(queue, consumer, clock) }],
    clock,
  )
  const latest = () => sampler.history.at(-1)?.queues[0] as LiveFigures
  return { clock, queue, consumer, sampler, latest }
}

test('counts what came in, waits and goes out, by the second', async () => {
  const { clock, queue, consumer, sampler, latest } = await open()
  await queue.enqueueMany(Array.from({ length: 40 }, (_, payload) => ({ type: 'order', payload })))
  await clock.advance(1_000)
  expect(latest()).toMatchObject({
    name: 'orders',
    state: 'stopped',
    standsStill: null,
    depth: { ready: 30, delayed: 0, inFlight: 0, dead: 0 },
    oldestReadyAgeMs: 1_000,
    perSecond: { offered: 40, accepted: 30, refused: 10, started: 0, completed: 0, retried: 0, dead: 0 },
    limit: { ratePerSecond: 10, concurrency: 4 },
  })
  await consumer.start()
  await clock.advance(2_000)
  expect(latest()).toMatchObject({
    state: 'running',
    standsStill: null,
    perSecond: { offered: 0, started: 10, completed: 10 },
    totals: { offered: 40, accepted: 30, refused: 10 },
  })
  sampler.stop()
})

test('tells failures apart, and follows a change of the limits', async () => {
  const outcomes = [dead('no'), retryIn(60_000)]
  const { clock, queue, consumer, sampler, latest } = await open(() => outcomes.shift())
  await consumer.start()
  await queue.enqueueMany(outcomes.map((_, payload) => ({ type: 'order', payload })))
  await clock.advance(1_000)
  consumer.update({ rate: null, concurrency: 2 })
  await clock.advance(1_000)
  expect(latest()).toMatchObject({
    totals: { started: 2, completed: 0, retried: 1, dead: 1 },
    depth: { ready: 0, delayed: 1, dead: 1 },
    limit: { ratePerSecond: null, concurrency: 2 },
  })
  sampler.stop()
})

test('tells a change of state at once', async () => {
  const { consumer, sampler } = await open()
  const changes: unknown[] = []
  sampler.on('state', (change) => changes.push(change))
  await consumer.start()
  consumer.pause()
  expect(changes).toEqual([
    { name: 'orders', state: 'running' },
    { name: 'orders', state: 'paused' },
  ])
  sampler.stop()
})

test('keeps five minutes and no more, and ends when it is stopped', async () => {
  const { clock, sampler } = await open()
  await clock.advance((SAMPLES_KEPT + 5) * 1_000)
  expect(sampler.history).toHaveLength(SAMPLES_KEPT)
  const newest = sampler.history.at(-1)
  sampler.stop()
  sampler.stop()
  await clock.advance(5_000)
  expect(sampler.history.at(-1)).toBe(newest)
})

test('a backend that does not answer leaves a hole and does not end the samples', async () => {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock })
  const consumer = new LeveledConsumer(queue, () => undefined)
  const sampler = new LiveSampler(
    [{ name: 'orders', queue, consumer, flow: new FlowMeter(queue, consumer, clock) }],
    clock,
  )
  await queue.close()
  await clock.advance(3_000)
  expect(sampler.history.map(({ queues }) => queues[0]?.depth)).toEqual([null, null, null])
  sampler.stop()
})
