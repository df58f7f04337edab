/** BullMQ: jobs are removed when they are done, as everywhere here. */

import { Queue, Worker } from 'bullmq'
import { type Contestant, Tally } from '../contestant.ts'

const BATCH = 1_000

export async function open(url: string): Promise<Contestant> {
  const { hostname: host, port } = new URL(url)
  const connection = { host, port: Number(port), maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection })
  const opts = { removeOnComplete: true }
  return {
    add: async (number) => {
      await queue.add('t', { number }, opts)
    },
    fill: async (count) => {
      for (let from = 0; from < count; from += BATCH) {
        const size = Math.min(BATCH, count - from)
        await queue.addBulk(
          Array.from({ length: size }, (_, index) => ({ name: 't', data: { number: from + index }, opts })),
        )
      }
    },
    drain: async (count, concurrency) => {
      const tally = new Tally(count)
      const worker = new Worker('bench', async () => tally.done(), { connection, concurrency })
      await tally.reached
      await worker.close()
    },
    close: () => queue.close(),
  }
}
