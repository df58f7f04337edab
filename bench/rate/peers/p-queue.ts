/** p-queue's interval: so many starts in each second, by fixed windows or, when strict, by a sliding log. */

import PQueue from 'p-queue'
import type { Limiter } from '../limiter.ts'

function limiter(strict: boolean): Limiter {
  return {
    async start({ perSecond, backlog, task }) {
      const queue = new PQueue({ interval: 1_000, intervalCap: perSecond, strict, autoStart: false })
      for (let left = backlog; left > 0; left--) void queue.add(async () => task())
      queue.start()
    },
  }
}

export const limiters: Record<string, Limiter> = { 'p-queue': limiter(false), 'p-queue-strict': limiter(true) }
