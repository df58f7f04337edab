import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { FlowMeter } from './flow-meter.ts'

async function metered() {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, maxDepth: 100 })
  const consumer = new LeveledConsumer(queue, () => undefined, { rate: { perSecond: 4, rampMs: 0 } })
  return { clock, queue, consumer, meter: new FlowMeter(queue, consumer, clock) }
}

it('counts what is offered, accepted and refused, and what starts and ends', async () => {
  const { clock, queue, consumer, meter } = await metered()
  await queue.enqueueMany(Array.from({ length: 120 }, () => ({ type: 't', payload: 1 })))
  expect(meter.totals).toMatchObject({ offered: 120, accepted: 100, refused: 20, started: 0 })
  await consumer.start()
  await clock.advance(5_000)
  expect(meter.totals.completed).toBeGreaterThanOrEqual(20)
  expect(meter.totals.started).toBe(meter.totals.completed)
  await consumer.stop()
  await queue.close()
})

it('tells the mean of the last ten whole seconds, and forgets what is older', async () => {
  const { clock, queue, meter } = await metered()
  await queue.enqueueMany(Array.from({ length: 30 }, () => ({ type: 't', payload: 1 })))
  // The second that is under way is not told yet.
  expect(meter.perSecond.accepted).toBe(0)
  await clock.advance(1_000)
  expect(meter.perSecond.accepted).toBe(30)
  await clock.advance(2_000)
  expect(meter.perSecond.accepted).toBe(10)
  await clock.advance(7_000)
  expect(meter.perSecond.accepted).toBeCloseTo(3)
  await clock.advance(1_000)
  expect(meter.perSecond.accepted).toBe(0)
  await clock.advance(60_000)
  expect(meter.perSecond.accepted).toBe(0)
  expect(meter.totals.accepted).toBe(30)
})

it('counts nothing once it is closed', async () => {
  const { queue, meter } = await metered()
  meter.close()
  await queue.enqueue({ type: 't', payload: 1 })
  expect(meter.totals.offered).toBe(0)
})
