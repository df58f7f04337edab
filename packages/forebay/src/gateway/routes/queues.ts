/** `/v1/queues`: how full the queues are and how they flow; pausing them; changing their limits while they run. */

import { z } from 'zod'
import type { RateOptions } from '../../consumer/rate-options.ts'
import { ForebayError } from '../../errors.ts'
import { checked, type Endpoint, queueOf } from '../endpoint.ts'
import { queueView } from '../queue-view.ts'
import { ref } from '../schemas.ts'

const limitFields = {
  perSecond: z.number().optional(),
  perMinute: z.number().optional(),
  perHour: z.number().optional(),
  burst: z.number().optional(),
  counts: z.enum(['tasks', 'cost']).optional(),
}

/** The consumer judges the numbers. */
const rateChangeSchema = z.strictObject({
  ...limitFields,
  also: z.array(z.strictObject(limitFields)).max(10).optional(),
  rampMs: z.number().optional(),
})

const limitsSchema = z
  .strictObject({
    rate: z
      .union([z.number(), rateChangeSchema])
      .optional()
      .describe(
        'Starts per second, or the fields of the configuration that change; `also` replaces all further limits.',
      ),
    concurrency: z.int().optional().describe('How many run at once.'),
  })
  .refine(({ rate, concurrency }) => rate !== undefined || concurrency !== undefined, 'rate or concurrency is needed')

const listQueues: Endpoint = {
  methods: ['GET'],
  path: '/v1/queues',
  summary: 'All queues.',
  answers: {
    200: {
      description: 'Each as under its own path.',
      schema: { type: 'object', required: ['queues'], properties: { queues: { type: 'array', items: ref('Queue') } } },
    },
  },
  async handle(gateway) {
    return { queues: await Promise.all([...gateway.queues.values()].map(queueView)) }
  },
}

const showQueue: Endpoint = {
  methods: ['GET'],
  path: '/v1/queues/:queue',
  summary: 'Depth, rates, limits and state of a queue.',
  answers: { 200: { description: 'The queue.', schema: ref('Queue') } },
  handle: (gateway, request) => queueView(queueOf(gateway, request)),
}

const changeLimits: Endpoint = {
  methods: ['PATCH'],
  path: '/v1/queues/:queue',
  summary: 'Change rate and concurrency at once, until the gateway is started again.',
  body: { 'application/json': z.toJSONSchema(limitsSchema, { target: 'draft-2020-12' }) },
  answers: { 200: { description: 'The queue as it is now.', schema: ref('Queue') } },
  handle(gateway, request) {
    const queue = queueOf(gateway, request)
    const { rate, concurrency } = checked(limitsSchema, request.body, 'The limits')
    try {
      queue.consumer.update({
        ...(rate !== undefined && { rate: rateOf(rate) }),
        ...(concurrency !== undefined && { concurrency }),
      })
    } catch (thrown) {
      // What is a wrong option to a program is a wrong request to a caller.
      if (!(thrown instanceof ForebayError && thrown.code === 'INVALID_OPTION')) throw thrown
      const details = thrown.path === undefined ? {} : { path: thrown.path }
      throw new ForebayError('INVALID_REQUEST', `${thrown.message} Nothing was changed.`, details)
    }
    return queueView(queue)
  },
}

/** JSON has no undefined: what is not named is not there. */
function rateOf(rate: number | z.output<typeof rateChangeSchema>): RateOptions {
  return (typeof rate === 'number' ? { perSecond: rate } : rate) as RateOptions
}

const pauseQueue: Endpoint = {
  methods: ['POST'],
  path: '/v1/queues/:queue/pause',
  summary: 'Start nothing more; what runs goes on, and tasks still come in.',
  answers: { 200: { description: 'The queue as it is now.', schema: ref('Queue') } },
  handle(gateway, request) {
    const queue = queueOf(gateway, request)
    queue.consumer.pause()
    return queueView(queue)
  },
}

const resumeQueue: Endpoint = {
  methods: ['POST'],
  path: '/v1/queues/:queue/resume',
  summary: 'Go on after a pause; the flow ramps up.',
  answers: { 200: { description: 'The queue as it is now.', schema: ref('Queue') } },
  handle(gateway, request) {
    const queue = queueOf(gateway, request)
    queue.consumer.resume()
    return queueView(queue)
  },
}

export const queues: readonly Endpoint[] = [listQueues, showQueue, changeLimits, pauseQueue, resumeQueue]
