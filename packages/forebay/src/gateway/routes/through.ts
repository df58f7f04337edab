/**
 * `ANY /v1/through/:queue/*`: the reverse-proxy mode. Any request is queued as one task and goes to the queue's target as it
 * came; an existing client only changes its base URL. The caller waits for the target's answer, up to a bound; when the
 * bound passes, or with `Prefer: respond-async`, it gets 202 and the URL at which the answer can be asked for.
 */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { ForebayError } from '../../errors.ts'
import { newTaskId } from '../../queue/task-id.ts'
import type { Answer } from '../answer.ts'
import { bodyFromText, bodyToText } from '../body-text.ts'
import { type Endpoint, queueOf } from '../endpoint.ts'
import type { Gateway } from '../gateway.ts'
import type { GatewayQueue } from '../gateway-queue.ts'
import { forwardedHeaders, headerPairs, preferences } from '../headers.ts'
import { readBody } from '../raw-body.ts'
import type { Reply } from '../reply-desk.ts'
import { ref } from '../schemas.ts'
import { statusUrl } from '../task-view.ts'
import { throughPath, type ThroughRequest, throughTask } from '../through-request.ts'
import { callbackUrlOf } from './post-tasks.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

const shared: Omit<Endpoint, 'path'> = {
  methods: METHODS,
  summary: 'Queue this very request and forward it to the target of the queue.',
  description:
    'Method, path, query, headers and body go to the target as they came. The answer is passed back if it comes in time; a ' +
    'request that is dead-lettered is answered as the target answered last. `Forebay-Authorization` may carry the token of the ' +
    'gateway if `Authorization` is meant for the target.',
  parameters: [
    {
      in: 'header',
      name: 'Prefer',
      description:
        '`respond-async`: answer 202 at once. `wait=N`: wait at most N seconds, within the configured bound.',
      schema: { type: 'string' },
    },
    {
      in: 'header',
      name: 'Forebay-Callback-Url',
      description: 'Where the answer is posted, if the queue is configured with `callbacks: true`.',
      schema: { type: 'string', format: 'uri' },
    },
  ],
  body: { '*/*': {} },
  answers: {
    200: { description: "The target's own answer, whatever its status." },
    202: { description: 'It is queued, and its answer can be asked for at Location.', schema: ref('Accepted') },
    413: { description: 'The request is too large.', schema: ref('Error') },
    429: { description: 'The queue is full; Retry-After says when it will not be.', schema: ref('Error') },
    502: { description: 'The target gave no answer that could be passed back.', schema: ref('Error') },
    504: { description: 'It expired before it could start.', schema: ref('Error') },
  },
  readsRawBody: true,
  alwaysActs: true,
  handle,
}

/** The second is a path of its own for the router. */
export const through: readonly Endpoint[] = [
  { ...shared, path: '/v1/through/:queue/*' },
  { ...shared, path: '/v1/through/:queue' },
]

async function handle(gateway: Gateway, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const queue = queueOf(gateway, request)
  const callbackUrl = callbackUrlOf(queue, request)
  const queued = await requestOf(gateway, request)
  const { respondAsync, wait } = preferences(request.headers.prefer?.toString())
  const id = newTaskId(gateway.clock, gateway.random)
  const waitMs = respondAsync
    ? 0
    : Math.min(wait === undefined ? Number.POSITIVE_INFINITY : wait * 1_000, gateway.config.replyWaitMs)
  const left = new AbortController()
  const leave = () => left.abort()
  // A caller that hangs up waits no longer; its task stays queued.
  reply.raw.once('close', leave)
  const replied = waitMs > 0 ? queue.replies.wait(id, waitMs, left.signal) : Promise.resolve(undefined)
  try {
    await queue.queue.enqueue(throughTask(queued, id, callbackUrl))
    reply.header('forebay-task-id', id)
    return answer(gateway, queue, id, await replied, reply, respondAsync)
  } finally {
    reply.raw.off('close', leave)
    leave()
  }
}

async function requestOf(gateway: Gateway, request: FastifyRequest): Promise<ThroughRequest> {
  const path = throughPath(request.raw.url ?? '')
  const body = await readBody(request.raw, gateway.config.limits.bodyBytes)
  const ownToken = gateway.tokens.isOwn(request.headers.authorization)
  const headers = forwardedHeaders(headerPairs(request.raw.rawHeaders), ownToken)
  return { method: request.method, path, headers, ...bodyToText(body) }
}

function answer(
  { config }: Gateway,
  { name }: GatewayQueue,
  id: string,
  replied: Reply | undefined,
  reply: FastifyReply,
  respondAsync: boolean,
): FastifyReply {
  if (replied === undefined) {
    if (respondAsync) reply.header('preference-applied', 'respond-async')
    const url = statusUrl(name, id)
    return reply.code(202).header('location', url).send({ id, status: 'accepted', statusUrl: url })
  }
  if (replied.state === 'expired') throw new ForebayError('TASK_EXPIRED', `Task ${id} expired before it could start.`)
  reply.header('forebay-task-state', replied.state)
  if (replied.state === 'dead' && !replied.answer)
    throw new ForebayError('TARGET_FAILED', `Task ${id} is dead: ${replied.message}`)
  const answered = replied.answer as Answer
  if (answered.bodyOmitted) {
    const message = `Task ${id} is ${replied.state}; the target's answer (${answered.status}) is larger than the ${config.replyBytes} bytes that are passed back.`
    throw new ForebayError('TARGET_FAILED', message)
  }
  return passBack(answered, reply)
}

function passBack(answered: Answer, reply: FastifyReply): FastifyReply {
  const headers = new Map<string, string[]>()
  for (const [name, value] of answered.headers) headers.set(name, [...(headers.get(name) ?? []), value])
  for (const [name, values] of headers) reply.header(name, values.length === 1 ? values[0] : values)
  // A page of the target, opened at this gateway's address, must not act as the gateway's own page.
  reply.header('content-security-policy', [...(headers.get('content-security-policy') ?? []), 'sandbox'])
  return reply.code(answered.status).send(bodyFromText(answered))
}
