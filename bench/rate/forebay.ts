/** Forebay's own limiters. Without the ramp, which is for a flow that stood still: what is measured is the steady flow. */

import { join } from 'node:path'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import type { RateOptions } from '../../packages/forebay/src/consumer/rate-options.ts'
import { Pacer } from '../../packages/forebay/src/flow/pacer.ts'
import { LeveledConsumer, LoadLevelingQueue } from '../../packages/forebay/src/index.ts'
import type { Limiter, Wish } from './limiter.ts'

/** So many enqueues in one call, so that preparing the backlog needs little memory. */
const BATCH = 5_000

function consumer(urlIn: (folder: string) => string, scope: NonNullable<RateOptions['scope']>): Limiter {
  return {
    async start({ perSecond, backlog, folder, task }: Wish) {
      const queue = await LoadLevelingQueue.open(urlIn(folder))
      for (let left = backlog; left > 0; left -= BATCH) {
        await queue.enqueueMany(Array.from({ length: Math.min(BATCH, left) }, () => ({ type: 't', payload: null })))
      }
      const leveled = new LeveledConsumer(queue, () => task(), {
        rate: { perSecond, rampMs: 0, scope },
        concurrency: 1_000,
      })
      await leveled.start()
    },
  }
}

/** The pacer as the consumer drives it, round a task that is a mere function: what pacing costs by itself. */
const pacerAlone: Limiter = {
  async start({ perSecond, task }) {
    const pacer = new Pacer({ perSecond, rampMs: 0 })
    const turn = () => {
      const now = systemClock.monotonic()
      while (pacer.nextAt <= now) {
        pacer.take(now)
        task()
      }
      systemClock.after(pacer.nextAt - now, turn)
    }
    turn()
  },
}

export const limiters: Record<string, Limiter> = {
  'forebay-pacer': pacerAlone,
  'forebay-process': consumer(() => 'memory:', 'process'),
  'forebay-queue': consumer(() => 'memory:', 'queue'),
  'forebay-sqlite': consumer((folder) => `sqlite:${join(folder, 'rate.db')}`, 'queue'),
}
