/**
 * `ANY /v1/through/:queue/*`: the reverse-proxy mode. Any request is queued as one task and goes to the queue's target as it
 * came; an existing client only changes its base URL. The caller waits for the target's answer, up to a bound; when the
 * bound passes, or with `Prefer: respond-async`, it gets 202 and the URL at which the answer can be asked for.
 */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { ForebayError } from '../../errors.ts'
import type { Enqueued, EnqueueOptions } from '../../queue/options.ts'
import { newTaskId } from '../../queue/task-id.ts'
import type { TaskInput } from '../../task.ts'
import type { Answer } from '../answer.ts'
import { bodyFromText, bodyToText } from '../body-text.ts'
import { type Endpoint, queueOf } from '../endpoint.ts'
import type { Gateway } from '../gateway.ts'
import type { GatewayQueue } from '../gateway-queue.ts'
import { forwardedHeaders, headerPairs, type Preferences, preferences } from '../headers.ts'
import { idempotencyKeyOf, inWordsOfKey, withKey } from '../idempotency.ts'
import { readBody } from '../raw-body.ts'
import type { Reply } from '../reply-desk.ts'
import { ref } from '../schemas.ts'
import { enqueuedView, statusUrl } from '../task-view.ts'
import { throughPath, type ThroughRequest, throughTask } from '../through-request.ts'
import { taskHeadersOf } from './post-tasks.ts'

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
        '`respond-async`: answer 202 at once. `wait=N`: wait at most N seconds, within the configured bound. `estimate`: a 202 ' +
        'that is answered at once tells when the request is likely to start.',
      schema: { type: 'string' },
    },
    {
      in: 'header',
      name: 'Forebay-Callback-Url',
      description: 'Where the answer is posted, if the queue is configured with `callbacks: true`.',
      schema: { type: 'string', format: 'uri' },
    },
    {
      in: 'header',
      name: 'Idempotency-Key',
      description:
        'A request that is repeated with its key within `idempotencyWindowMs` is queued once: it gets the answer of the first ' +
        'one, or waits for it; 409 if its method, path, query or body differ. Other headers may. It goes on to the target.',
      schema: { type: 'string' },
    },
  ],
  body: { '*/*': {} },
  answers: {
    200: { description: "The target's own answer, whatever its status." },
    202: { description: 'It is queued, and its answer can be asked for at Location.', schema: ref('Accepted') },
    409: { description: 'The Idempotency-Key belongs to a different request.', schema: ref('Error') },
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
  const beside = taskHeadersOf(queue, request)
  const key = idempotencyKeyOf(request)
  const forwarded = await forwardedRequest(gateway, request)
  const wishes = preferences(request.headers.prefer?.toString())
  const waitMs = wishes.respondAsync
    ? 0
    : Math.min(wishes.wait === undefined ? Number.POSITIVE_INFINITY : wishes.wait * 1_000, gateway.config.replyWaitMs)
  const left = new AbortController()
  const leave = () => left.abort()
  // A caller that hangs up waits no longer; its task stays queued.
  reply.raw.once('close', leave)
  try {
    const id = newTaskId(gateway.clock, gateway.random)
    const plain = throughTask(forwarded, id, beside, key !== undefined)
    const task = key === undefined ? plain : withKey(plain, key, queue.settings)
    const estimate = wishes.estimate && wishes.respondAsync
    const { enqueued, replied } = await queueAndWait(queue, task, { estimate }, waitMs, left.signal)
    reply.header('forebay-task-id', enqueued.id)
    return answer(gateway, queue, enqueued, replied, reply, wishes)
  } catch (thrown) {
    throw inWordsOfKey(thrown, key)
  } finally {
    reply.raw.off('close', leave)
    leave()
  }
}

interface Waited {
  readonly enqueued: Enqueued
  /** Undefined: nothing is known within the time. */
  readonly replied: Reply | undefined
}

/** Of a request that was queued before, what became of that one. */
async function queueAndWait(
  { queue, replies }: GatewayQueue,
  task: TaskInput & { readonly id: string },
  options: EnqueueOptions,
  waitMs: number,
  signal: AbortSignal,
): Promise<Waited> {
  const first = new AbortController()
  // Before it is queued, so that nothing is missed.
  const waiting =
    waitMs > 0 ? replies.wait(task.id, waitMs, AbortSignal.any([signal, first.signal])) : Promise.resolve(undefined)
  try {
    const enqueued = await queue.enqueue(task, options)
    if (enqueued.id === task.id || waitMs === 0) return { enqueued, replied: await waiting }
    return { enqueued, replied: await replies.waitAgain(enqueued.id, waitMs, signal) }
  } finally {
    first.abort()
  }
}

async function forwardedRequest(gateway: Gateway, request: FastifyRequest): Promise<ThroughRequest> {
  const path = throughPath(request.raw.url ?? '')
  const body = await readBody(request.raw, gateway.config.limits.bodyBytes)
  const ownToken = gateway.tokens.isOwn(request.headers.authorization)
  const headers = forwardedHeaders(headerPairs(request.raw.rawHeaders), ownToken)
  return { method: request.method, path, headers, ...bodyToText(body) }
}

function answer(
  { config }: Gateway,
  { name }: GatewayQueue,
  enqueued: Enqueued,
  replied: Reply | undefined,
  reply: FastifyReply,
  { respondAsync, estimate }: Preferences,
): FastifyReply {
  const { id } = enqueued
  if (replied === undefined) {
    if (respondAsync) reply.header('preference-applied', `respond-async${estimate ? ', estimate' : ''}`)
    const url = statusUrl(name, id)
    return reply
      .code(202)
      .header('location', url)
      .send({ ...enqueuedView(enqueued), statusUrl: url })
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
