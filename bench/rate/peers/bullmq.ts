/** BullMQ's limiter: so many jobs in each second, counted in Redis. */

import { Queue, Worker } from 'bullmq'
import type { Limiter } from '../limiter.ts'

/** Jobs in one call that adds them. */
const BATCH = 5_000

const limiter: Limiter = {
  async start({ perSecond, backlog, redisPort, task }) {
    const connection = { host: '127.0.0.1', port: redisPort as number, maxRetriesPerRequest: null }
    const name = `rate-${process.pid}`
    const queue = new Queue(name, { connection })
    const opts = { removeOnComplete: true }
    for (let left = backlog; left > 0; left -= BATCH) {
      await queue.addBulk(Array.from({ length: Math.min(BATCH, left) }, () => ({ name: 't', data: {}, opts })))
    }
    new Worker(name, async () => task(), {
      connection,
      concurrency: 1_000,
      limiter: { max: perSecond, duration: 1_000 },
    })
  },
}

export const limiters: Record<string, Limiter> = { bullmq: limiter }
