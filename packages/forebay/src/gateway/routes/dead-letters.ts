/** `/v1/queues/:queue/dead`: tasks that were given up. What is redriven starts at the queue's rate, after a ramp. */

import { z } from 'zod'
import { checked, type Endpoint, queueOf } from '../endpoint.ts'
import { ref } from '../schemas.ts'
import { deadLetterView } from '../task-view.ts'

const pageSchema = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  after: z.string().optional(),
})

const whichSchema = z.union([
  z.strictObject({ ids: z.array(z.string()).min(1).max(10_000) }),
  z.strictObject({ all: z.literal(true) }),
])

const whichBody = { 'application/json': z.toJSONSchema(whichSchema, { target: 'draft-2020-12' }) }

const listDead: Endpoint = {
  methods: ['GET'],
  path: '/v1/queues/:queue/dead',
  summary: 'Dead letters, oldest first.',
  parameters: [
    {
      in: 'query',
      name: 'limit',
      description: 'At most so many.',
      schema: { type: 'integer', minimum: 1, maximum: 1_000, default: 100 },
    },
    { in: 'query', name: 'after', description: 'The `next` of the page before.', schema: { type: 'string' } },
  ],
  answers: { 200: { description: 'A page of them.', schema: ref('DeadLetters') } },
  async handle(gateway, request) {
    const { name, queue } = queueOf(gateway, request)
    const { limit, after } = checked(pageSchema, request.query, 'The query')
    const { items, next } = await queue.dead.list({ limit, ...(after !== undefined && { after }) })
    return { items: items.map((letter) => deadLetterView(name, letter)), ...(next !== undefined && { next }) }
  },
}

const redriveDead: Endpoint = {
  methods: ['POST'],
  path: '/v1/queues/:queue/dead/redrive',
  summary: 'Queue dead letters again, with all their attempts. Unknown ids are passed over.',
  body: whichBody,
  answers: { 200: { description: 'How many.', schema: ref('Count') } },
  async handle(gateway, request) {
    const { queue } = queueOf(gateway, request)
    return { count: await queue.dead.redrive(whichOf(request.body)) }
  },
}

const dropDead: Endpoint = {
  methods: ['POST'],
  path: '/v1/queues/:queue/dead/drop',
  summary: 'Forget dead letters for good. Unknown ids are passed over.',
  body: whichBody,
  answers: { 200: { description: 'How many.', schema: ref('Count') } },
  async handle(gateway, request) {
    const { queue } = queueOf(gateway, request)
    return { count: await queue.dead.drop(whichOf(request.body)) }
  },
}

function whichOf(body: unknown): readonly string[] | 'all' {
  const which = checked(whichSchema, body, 'The body is { "ids": [...] } or { "all": true }')
  return 'ids' in which ? which.ids : 'all'
}

export const deadLetters: readonly Endpoint[] = [listDead, redriveDead, dropDead]
