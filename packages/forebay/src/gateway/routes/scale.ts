/**
 * `/v1/queues/:queue/scale`: how many workers a queue should have, and why. Flat and with numbers, as KEDA's `metrics-api` and other
 * autoscalers read it.
 */

import { ForebayError } from '../../errors.ts'
import type { ScalingDecision } from '../../flow/scaling-options.ts'
import { METRICS, type Metric } from '../../telemetry/metrics.ts'
import { prometheusName } from '../../telemetry/prometheus-names.ts'
import { CONTENT_TYPES } from '../../telemetry/prometheus-text.ts'
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

/** In the words of `/metrics`, where they are as well. */
const SIGNALS: readonly (readonly [metric: Metric, read: (decision: ScalingDecision) => number])[] = [
  [METRICS.desiredWorkers, ({ desired }) => desired],
  [METRICS.usefulWorkers, ({ useful }) => useful],
  [METRICS.lateShare, ({ lateShare }) => lateShare],
]

/** For Prometheus and what reads it: an HPA through the Prometheus adapter, the clouds' collectors. */
export const scalingMetrics: Endpoint = {
  methods: ['GET'],
  path: '/metrics/scaling',
  summary: 'The scaling signals of all queues that have an objective, as Prometheus text.',
  description:
    'Those of `/metrics`, alone: for a scaler that asks often. They have no part in `maxSeries`, and are here with `metrics: false` as well.',
  answers: { 200: { description: 'text/plain; version=0.0.4. A queue is left out before its first decision.' } },
  handle({ queues }, _request, reply) {
    const text = SIGNALS.map(([metric, read]) => {
      const name = prometheusName(metric)
      const samples = [...queues.values()].flatMap(({ name: queue, scaling }) => {
        const value = scaling?.latest && read(scaling.latest)
        // A queue's name has no character that would need an escape.
        return value !== undefined && Number.isFinite(value) ? `${name}{queue="${queue}"} ${value}\n` : []
      })
      return `# HELP ${name} ${metric.help}\n# TYPE ${name} ${metric.kind}\n${samples.join('')}`
    })
    return reply.type(CONTENT_TYPES.prometheus).send(text.join(''))
  },
}
