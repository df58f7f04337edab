/**
 * `/v1/queues/:queue/scale`: how many workers a queue should have, and why. Flat and with numbers, as KEDA's `metrics-api` and other
 * autoscalers read it.
 */

import { ForebayError } from '../../errors.ts'
import { type Endpoint, queueOf } from '../endpoint.ts'
import { ref } from '../schemas.ts'

export const scale: Endpoint = {
  methods: ['GET'],
  path: '/v1/queues/:queue/scale',
  summary: 'How many workers the queue should have, and why.',
  description:
    'For queues with a `scaling` objective. 503 before the first decision, so that nobody scales to none by mistake.',
  answers: {
    200: {
      description: 'The latest decision.',
      schema: {
        type: 'object',
        required: ['desiredWorkers', 'reason', 'boundBy', 'usefulWorkers', 'lateShare', 'arrivalsPerSecond'],
        properties: {
          desiredWorkers: { type: 'integer' },
          reason: { type: 'string' },
          boundBy: { enum: ['objective', 'capacity', 'max', 'min'] },
          usefulWorkers: { type: ['integer', 'null'], description: 'More the downstream cannot use; null: not known.' },
          lateShare: { type: 'number', description: 'Of the tasks of the last hour, those that waited too long.' },
          arrivalsPerSecond: { type: 'number' },
        },
      },
    },
    404: { description: 'No such queue, or it has no objective.', schema: ref('Error') },
    503: { description: 'Nothing was decided yet.', schema: ref('Error') },
  },
  handle(gateway, request) {
    const { name, scaling } = queueOf(gateway, request)
    if (!scaling) {
      throw new ForebayError(
        'NOT_FOUND',
        `Queue "${name}" has no objective to scale by; give it one: scaling: { waitMs: 60000 }.`,
      )
    }
    const { latest } = scaling
    if (!latest) throw new ForebayError('BACKEND_UNAVAILABLE', `For queue "${name}" nothing was decided yet.`)
    const { desired, reason, boundBy, useful, lateShare, arrivalsPerSecond } = latest
    return {
      desiredWorkers: desired,
      reason,
      boundBy,
      usefulWorkers: Number.isFinite(useful) ? useful : null,
      lateShare,
      arrivalsPerSecond,
    }
  },
}
