/** pg-boss: it asks for work on a timer, so it is let take batches, and go on without a pause while they are full. */

import { PgBoss } from 'pg-boss'
import { type Contestant, Tally } from '../contestant.ts'

const QUEUE = 'bench'

export async function open(url: string): Promise<Contestant> {
  const boss = new PgBoss({ connectionString: url, max: 20 })
  boss.on('error', (error: Error) => console.error(error))
  await boss.start()
  await boss.createQueue(QUEUE)
  return {
    add: async (number) => {
      await boss.send(QUEUE, { number })
    },
    fill: async (count) => {
      const jobs = Array.from({ length: count }, (_, number) => ({ name: QUEUE, data: { number } }))
      for (let from = 0; from < count; from += 1_000) await boss.insert(QUEUE, jobs.slice(from, from + 1_000))
    },
    drain: async (count, concurrency) => {
      const tally = new Tally(count)
      const options = {
        batchSize: 100,
        localConcurrency: concurrency,
        pollingIntervalSeconds: 0.5,
        burstWhenBatchFull: true,
      }
      await boss.work(QUEUE, options, async (jobs: unknown[]) => {
        for (const _ of jobs) tally.done()
      })
      await tally.reached
      await boss.offWork(QUEUE)
    },
    close: () => boss.stop(),
  }
}
