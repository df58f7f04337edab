/**
 * The least gateway that has the live page: one queue in memory, its consumer, the page's routes, on a port of its own. Its
 * queue can have a name that the real gateway would refuse.
 */

import fastify from 'fastify'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import type { ConsumerOptions } from '../../packages/forebay/src/consumer/options.ts'
import { FlowMeter } from '../../packages/forebay/src/gateway/flow-meter.ts'
import { registerLive } from '../../packages/forebay/src/gateway/live.ts'
import { registerPage } from '../../packages/forebay/src/gateway/page.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import type { Overflow } from '../../packages/forebay/src/queue/overflow.ts'

export interface LiveGateway {
  readonly url: string
  readonly port: number
  readonly queue: LoadLevelingQueue
  close(): Promise<void>
}

/** @param name What the page is to call its one queue, whatever characters are in it. */
export async function startLiveGateway(
  options: ConsumerOptions,
  { name = 'orders', port = 0, maxDepth = 1_000, overflow = 'reject' as Overflow } = {},
): Promise<LiveGateway> {
  const queue = await LoadLevelingQueue.open('memory:', { maxDepth, overflow })
  const consumer = new LeveledConsumer(queue, handle, options)
  const flow = new FlowMeter(queue, consumer, systemClock)
  const app = fastify()
  const gateway = { queues: new Map([[name, { name, queue, consumer, flow }]]) }
  registerLive(app, gateway)
  for (const verb of ['pause', 'resume'] as const) {
    app.post(`/v1/queues/:queue/${verb}`, () => {
      consumer[verb]()
      return {}
    })
  }
  registerPage(app)
  await consumer.start()
  const url = await app.listen({ host: '127.0.0.1', port })
  return {
    url,
    port: Number(new URL(url).port),
    queue,
    close: async () => {
      await app.close()
      await consumer.stop({ graceMs: 0 })
      await queue.close()
    },
  }
}

async function handle({ payload }: { readonly payload: unknown }): Promise<void> {
  await sleep(systemClock, 30)
  if (payload === 'fails') throw new Error('<img src=x onerror="document.title=1">')
}
