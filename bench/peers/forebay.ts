/** Forebay, on whichever engine the URL names. */

import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { type Contestant, Tally } from './contestant.ts'

const BATCH = 1_000

export async function open(url: string): Promise<Contestant> {
  const queue = await LoadLevelingQueue.open(url, { name: 'bench' })
  return {
    add: async (number) => {
      await queue.enqueue({ type: 't', payload: { number } })
    },
    fill: async (count) => {
      for (let from = 0; from < count; from += BATCH) {
        const size = Math.min(BATCH, count - from)
        await queue.enqueueMany(
          Array.from({ length: size }, (_, index) => ({ type: 't', payload: { number: from + index } })),
        )
      }
    },
    drain: async (count, concurrency) => {
      const tally = new Tally(count)
      const consumer = new LeveledConsumer(queue, () => tally.done(), { concurrency })
      await consumer.start()
      await tally.reached
      await consumer.stop()
    },
    close: () => queue.close(),
  }
}
