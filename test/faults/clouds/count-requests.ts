/** What a task costs: the requests that a producer and a consumer make for so many of them. */

import { once } from 'node:events'
import { EventEmitter } from 'node:events'
import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { LeveledConsumer } from '../../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../../packages/forebay/src/queue/load-leveling-queue.ts'

/** A burst of tasks is enqueued by many callers at once, then handled by so many at a time. */
export async function burst(queue: QueueService, tasks: number, concurrency: number): Promise<void> {
  const leveled = await LoadLevelingQueue.open(queue)
  await Promise.all(Array.from({ length: tasks }, (_, n) => leveled.enqueue({ type: 'charge', payload: n })))
  const told = new EventEmitter()
  let handled = 0
  const consumer = new LeveledConsumer(
    leveled,
    async () => {
      if (++handled === tasks) told.emit('done')
    },
    { concurrency },
  )
  const done = once(told, 'done')
  await consumer.start()
  await done
  await consumer.stop({ graceMs: 5_000 })
}
