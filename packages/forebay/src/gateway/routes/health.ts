/** `/healthz`: the process is up. `/readyz`: the backend answers and the consumers run. */

import { sleep } from '../../clock.ts'
import { asForebayError, ForebayError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Gateway } from '../gateway.ts'
import type { GatewayQueue } from '../gateway-queue.ts'
import { ref } from '../schemas.ts'

/** A backend that takes longer to say how full a queue is counts as away. */
const LONGEST_ANSWER_MS = 2_000

const healthz: Endpoint = {
  methods: ['GET', 'HEAD'],
  path: '/healthz',
  summary: 'Whether the process is up.',
  answers: { 200: { description: 'It is.', schema: ref('Health') } },
  handle: () => ({ status: 'up' }),
}

const readyz: Endpoint = {
  methods: ['GET', 'HEAD'],
  path: '/readyz',
  summary: 'Whether the backend answers and the consumers run (or are paused by request).',
  answers: {
    200: { description: 'They do.', schema: ref('Health') },
    503: { description: 'Not yet, or no longer.', schema: ref('Error') },
  },
  async handle(gateway) {
    if (gateway.state !== 'started') throw new ForebayError('BACKEND_UNAVAILABLE', `The gateway is ${gateway.state}.`)
    await Promise.all([...gateway.queues.values()].map((queue) => checkQueue(gateway, queue)))
    return { status: 'ready' }
  },
}

async function checkQueue({ clock }: Gateway, { name, queue, consumer }: GatewayQueue): Promise<void> {
  if (consumer.state !== 'running' && consumer.state !== 'paused') {
    throw new ForebayError('BACKEND_UNAVAILABLE', `The consumer of queue "${name}" is ${consumer.state}.`)
  }
  const answered = new AbortController()
  const late = sleep(clock, LONGEST_ANSWER_MS, answered.signal).then(() => {
    throw new ForebayError(
      'BACKEND_UNAVAILABLE',
      `The backend of queue "${name}" gave no answer within ${LONGEST_ANSWER_MS} ms.`,
    )
  })
  try {
    await Promise.race([queue.depth(), late])
  } catch (thrown) {
    throw asForebayError(thrown, 'BACKEND_UNAVAILABLE')
  } finally {
    answered.abort()
    late.catch(() => {})
  }
}

export const health: readonly Endpoint[] = [healthz, readyz]
