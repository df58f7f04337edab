/** All endpoints of the gateway: the routes and the OpenAPI document are made from this list. */

import type { Endpoint } from '../endpoint.ts'
import { openApi } from '../openapi.ts'
import { ref } from '../schemas.ts'
import { deadLetters } from './dead-letters.ts'
import { health } from './health.ts'
import { metrics } from './metrics.ts'
import { postTasks } from './post-tasks.ts'
import { queues } from './queues.ts'
import { scale, scalingMetrics } from './scale.ts'
import { tasks } from './tasks.ts'
import { through } from './through.ts'

const document: Endpoint = {
  methods: ['GET'],
  path: '/openapi.json',
  summary: 'This document.',
  answers: { 200: { description: 'OpenAPI 3.1.', schema: { type: 'object' } } },
  handle: () => described,
}

/** The figures of the live page; its route is registered beside the others (live.ts). */
const live: Endpoint = {
  methods: ['GET'],
  path: '/v1/live',
  summary: 'The figures of all queues, once a second, as Server-Sent Events.',
  answers: {
    200: { description: 'text/event-stream with the events `history`, `sample` and `state`.' },
    503: { description: 'Too many listen already.', schema: ref('Error') },
  },
  handle: () => undefined,
}

export const ENDPOINTS: readonly Endpoint[] = [
  postTasks,
  ...queues,
  scale,
  scalingMetrics,
  ...deadLetters,
  ...tasks,
  ...through,
  ...health,
  metrics,
  document,
]

const described = openApi([...ENDPOINTS, live])
