/** `GET /metrics`: what Prometheus scrapes. It tells of queues and types, so it asks for a token as the endpoints under /v1 do. */

import { ForebayError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import { ref } from '../schemas.ts'

export const metrics: Endpoint = {
  methods: ['GET'],
  path: '/metrics',
  summary: 'The metrics of all queues, as Prometheus or OpenMetrics text.',
  description:
    'OpenMetrics 1.0 if `Accept` asks for `application/openmetrics-text`, else the Prometheus text format 0.0.4.',
  answers: {
    200: { description: 'The text; `docs/metrics.md` lists what is in it.' },
    401: { description: 'The gateway has tokens and the request has none of them.', schema: ref('Error') },
    404: { description: 'The configuration says `metrics: false`.', schema: ref('Error') },
  },
  async handle({ config, telemetry }, request, reply) {
    if (config.metrics === false) {
      throw new ForebayError('NOT_FOUND', 'The metrics are switched off by the configuration (metrics: false).')
    }
    const { contentType, text } = await telemetry.prometheus(request.headers.accept)
    return reply.type(contentType).send(text)
  },
}
