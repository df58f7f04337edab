/** A producer and a consumer at work, while the engine is in trouble. */

import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../../packages/forebay/src/queue/load-leveling-queue.ts'

/**
 * A consumer handles all that was enqueued; answers how often each was.
 *
 * @param tick Called again and again meanwhile.
 */
export async function work(queue: QueueService, payloads: readonly number[], tick = () => {}) {
  const handled = new Map<number, number>()
  const errors: string[] = []
  const leveled = await LoadLevelingQueue.open(queue)
  const consumer = new LeveledConsumer(
    leveled,
    async ({ payload }) => {
      const number = Number(payload)
      handled.set(number, (handled.get(number) ?? 0) + 1)
    },
    { concurrency: 16, leaseMs: 2_000, retry: { maxAttempts: 50 } },
  )
  consumer.on('error', ({ error }) => errors.push(error.code))
  await consumer.start()
  const accepted: number[] = []
  for (const payload of payloads) {
    const enqueued = leveled.enqueue({ type: 'charge', payload }).then(
      () => accepted.push(payload),
      (thrown) => errors.push(thrown.code),
    )
    if (payload % 10 === 9) await enqueued
  }
  const isDone = () => accepted.length > 0 && accepted.every((payload) => handled.has(payload))
  for (const until = systemClock.monotonic() + 30_000; systemClock.monotonic() < until; await sleep(systemClock, 20)) {
    tick()
    if (isDone()) break
  }
  return { leveled, consumer, handled, errors, accepted }
}
