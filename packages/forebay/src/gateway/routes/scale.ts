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

/** For Prometheus and what reads it: an HPA through the Prometheus adapter, the clouds' collectors. */
export const scalingMetrics: Endpoint = {
  methods: ['GET'],
  path: '/metrics/scaling',
  summary: 'The scaling signals of all queues that have an objective, as Prometheus text.',
  answers: { 200: { description: 'text/plain; version=0.0.4. A queue is left out before its first decision.' } },
  handle(gateway, _request, reply) {
    const decided = [...gateway.queues.values()].flatMap(({ name, scaling }) =>
      scaling?.latest ? [{ name, ...scaling.latest }] : [],
    )
    const gauge = (metric: string, help: string, read: (one: (typeof decided)[number]) => number): string => {
      // A queue's name has no character that would need an escape.
      const samples = decided.map((one) => `${metric}{queue="${one.name}"} ${promText(read(one))}\n`)
      return `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n${samples.join('')}`
    }
    const text = [
      gauge('forebay_desired_workers', 'Workers that the objective takes.', ({ desired }) => desired),
      gauge('forebay_useful_workers', 'Workers that the downstream can use.', ({ useful }) => useful),
      gauge(
        'forebay_late_share',
        'Share of the tasks of the last hour that waited too long.',
        ({ lateShare }) => lateShare,
      ),
    ]
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text.join(''))
  },
}

function promText(value: number): string {
  return value === Number.POSITIVE_INFINITY ? '+Inf' : String(value)
}
