/**
 * A queue of the replay's own, with a consumer that posts every task to the replay's sink. It is the only one, so that an
 * engine on which consumers can't keep one rate together is paced by it alone.
 */

import { Pool } from 'undici'
import type { QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { ReplaySink } from './sink.ts'

export interface LocalQueue {
  readonly queue: LoadLevelingQueue
  close(): Promise<void>
}

/** How many posts to the sink may be under way: far more than the sink, which answers at once, ever needs. */
const CONCURRENCY = 64

/**
 * @param where A backend URL, or a backend that is open.
 * @param name The queue's name: a replay uses one of its own, so that it neither meets nor leaves other tasks.
 */
export async function openLocalQueue(
  where: string | QueueService,
  { name, rate, sink, clock }: { name: string; rate: number; sink: ReplaySink; clock: Clock },
): Promise<LocalQueue> {
  const queue = await LoadLevelingQueue.open(where, { name, clock })
  const pool = new Pool(sink.url, { connections: CONCURRENCY })
  const consumer = new LeveledConsumer(
    queue,
    async (task, { signal }) => {
      const body = JSON.stringify(task.payload)
      const response = await pool.request({ path: '/', method: 'POST', body, signal })
      await response.body.dump()
    },
    {
      rate: { perSecond: rate, rampMs: 0, scope: queue.shared ? 'queue' : 'process' },
      concurrency: CONCURRENCY,
      clock,
    },
  )
  await consumer.start()
  return {
    queue,
    close: async () => {
      await consumer.stop({ graceMs: 1_000 })
      await queue.close()
      await pool.destroy()
    },
  }
}
