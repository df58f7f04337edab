/** `POST /v1/queues/:queue/pause` and `/resume`: what is queued stays queued, what runs goes on. Answers `{ name, state }`. */

import type { FastifyInstance } from 'fastify'
import { ForebayError } from '../errors.ts'
import type { LiveQueue } from './live-sampler.ts'

export function registerPausing(
  app: FastifyInstance,
  gateway: { readonly queues: ReadonlyMap<string, Pick<LiveQueue, 'name' | 'consumer'>> },
): void {
  for (const verb of ['pause', 'resume'] as const) {
    app.post<{ Params: { queue: string } }>(`/v1/queues/:queue/${verb}`, (request) => {
      const live = gateway.queues.get(request.params.queue)
      if (!live)
        throw new ForebayError('UNKNOWN_QUEUE', `There is no queue "${request.params.queue}". Nothing has changed.`)
      live.consumer[verb]()
      return { name: live.name, state: live.consumer.state }
    })
  }
}
