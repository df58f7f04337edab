import { expect, it } from 'vitest'
import * as z from 'zod'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { LeveledConsumer } from './leveled-consumer.ts'

it('stop ends also while an attempt still waits for its slow schema, with a handler that ignores its signal', async () => {
  const clock = new VirtualClock()
  const slow = z.unknown().refine(() => new Promise<boolean>((resolve) => void clock.after(3_000, () => resolve(true))))
  const service = await LoadLevelingQueue.open('memory:', { clock })
  await service.enqueue({ type: 'slow', payload: 1 })
  const queue = await LoadLevelingQueue.open(service.service, { clock, tasks: { slow } })
  const consumer = new LeveledConsumer(queue, () => new Promise(() => {}))
  await consumer.start()
  await clock.advance(100)
  const stopped = consumer.stop({ graceMs: 1_000 })
  await clock.advance(10_000)
  await stopped
  expect(consumer.state).toBe('stopped')
  expect(await queue.depth()).toMatchObject({ ready: 1, inFlight: 0 })
})
