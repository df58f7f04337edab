/**
 * `POST /v1/queues/:queue/tasks`: one task as JSON, many as an array or as NDJSON. Many are each taken or refused on their
 * own merits, and NDJSON is read, stored and forgotten batch by batch, whatever its length.
 */

import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { asForebayError, ForebayError } from '../../errors.ts'
import type { EnqueueResult } from '../../queue/load-leveling-queue.ts'
import type { Enqueued } from '../../queue/options.ts'
import { TASK_BOUNDS, type TaskInput } from '../../task.ts'
import { type Endpoint, queueOf } from '../endpoint.ts'
import { errorBody, retryAfterSeconds } from '../error-reply.ts'
import type { Gateway } from '../gateway.ts'
import type { GatewayQueue } from '../gateway-queue.ts'
import { preferences } from '../headers.ts'
import { checkDedupId, idempotencyKeyOf, inWordsOfKey, refuseForMany, withKey } from '../idempotency.ts'
import { parseJson } from '../json-input.ts'
import { linesOf } from '../raw-body.ts'
import { ref } from '../schemas.ts'
import { enqueuedView, statusUrl } from '../task-view.ts'
import { CALLBACK_HEADER } from '../through-request.ts'
import { traceOfRequest } from '../trace-headers.ts'

const DEFAULT_TYPE = 'task'

/** What goes on inside the gateway, and how long it remembers, is not for callers to say. */
const NOT_BY_HTTP = ['headers', 'dedupWindowMs']

/** ISO 8601 with its offset: what a time without one means depends on who reads it. */
const INSTANT = z.iso.datetime({ offset: true })

/** How many lines of NDJSON go into the queue at once. */
const BATCH_LINES = 500

const taskSchema = {
  type: 'object',
  required: ['payload'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', maxLength: TASK_BOUNDS.typeChars, default: DEFAULT_TYPE },
    payload: { description: 'Any JSON value. It is the body of the request to the target.' },
    id: { type: 'string', maxLength: TASK_BOUNDS.idChars, description: 'Default: a new one.' },
    priority: { type: 'integer', minimum: -TASK_BOUNDS.priority, maximum: TASK_BOUNDS.priority, default: 0 },
    key: { type: 'string', maxLength: TASK_BOUNDS.keyChars },
    ordered: {
      type: 'boolean',
      default: false,
      description: 'Starts only when the ordered tasks of its key that came before it are over for good. Needs a key.',
    },
    delayMs: { type: 'number', minimum: 0, default: 0 },
    at: {
      oneOf: [{ type: 'string', format: 'date-time' }, { type: 'number' }],
      description: 'Not before this moment: ISO 8601 with an offset or Z, or epoch milliseconds. Instead of `delayMs`.',
    },
    ttlMs: { type: 'number', minimum: 1 },
    dedupId: { type: 'string', maxLength: TASK_BOUNDS.dedupIdChars },
  },
} as const

export const postTasks: Endpoint = {
  methods: ['POST'],
  path: '/v1/queues/:queue/tasks',
  summary: 'Queue one task or many.',
  description:
    'Many tasks (a JSON array or NDJSON) are each taken or refused by themselves: 202 if all were taken, 207 if some were ' +
    'refused, and the status of the refusal if all were.',
  parameters: [
    {
      in: 'header',
      name: 'Forebay-Callback-Url',
      description: 'Where what becomes of the task is posted, if the queue is configured with `callbacks: true`.',
      schema: { type: 'string', format: 'uri' },
    },
    {
      in: 'header',
      name: 'Idempotency-Key',
      description:
        'For one task, not for many: a request that is repeated with its key within `idempotencyWindowMs` is answered with the ' +
        'id of the first one, and with 409 if its type or payload differ.',
      schema: { type: 'string' },
    },
    {
      in: 'header',
      name: 'Prefer',
      description: '`estimate`: tell when the task is likely to start, where that is known.',
      schema: { type: 'string' },
    },
  ],
  body: {
    'application/json': { oneOf: [taskSchema, { type: 'array', items: taskSchema }] },
    'application/x-ndjson': { type: 'string', description: 'One task a line.' },
  },
  answers: {
    202: {
      description: 'Durable, as the backend promises.',
      schema: { oneOf: [ref('Accepted'), ref('AcceptedMany')] },
    },
    207: { description: 'Some were refused.', schema: ref('AcceptedMany') },
    409: { description: 'The dedup id or Idempotency-Key belongs to a different task.', schema: ref('Error') },
    413: { description: 'Too large; with many tasks, those before it are stored.', schema: ref('Error') },
    415: { description: 'Neither JSON nor NDJSON.', schema: ref('Error') },
    422: { description: 'The payload is no JSON that the queue takes.', schema: ref('Error') },
    429: {
      description:
        'The queue is full, or the task would expire before it could start; Retry-After says when to come again.',
      schema: ref('Error'),
    },
  },
  async handle(gateway, request, reply) {
    const queue = queueOf(gateway, request)
    const headers = taskHeadersOf(queue, request)
    const { estimate } = preferences(request.headers.prefer?.toString())
    if (estimate) reply.header('preference-applied', 'estimate')
    const key = idempotencyKeyOf(request)
    const { body } = request
    const isStream = body instanceof Readable
    if (isStream || Array.isArray(body)) refuseForMany(key)
    const intake = { queue, headers, estimate }
    if (isStream) return replyMany(reply, await enqueueLines(gateway, intake, body))
    if (Array.isArray(body)) return replyMany(reply, await enqueueArray(gateway, intake, body))
    const enqueued = await enqueueOne(intake, body, key)
    const url = statusUrl(queue.name, enqueued.id)
    return reply
      .code(202)
      .header('location', url)
      .send({ ...enqueuedView(enqueued), statusUrl: url })
  },
}

/** Where the tasks of a request go, and what their caller wishes. */
interface Intake {
  readonly queue: GatewayQueue
  /** Of each of its tasks. */
  readonly headers: Readonly<Record<string, string>>
  readonly estimate: boolean
}

async function enqueueOne({ queue, headers, estimate }: Intake, body: unknown, key?: string): Promise<Enqueued> {
  const task = taskOf(body, headers)
  if (key !== undefined && task.dedupId !== undefined) {
    const message =
      'The task has a dedupId and the request an Idempotency-Key: one of them is enough. It was not stored.'
    throw new ForebayError('INVALID_REQUEST', message, { path: 'dedupId' })
  }
  try {
    return await queue.queue.enqueue(key === undefined ? task : withKey(task, key, queue.settings), { estimate })
  } catch (thrown) {
    throw inWordsOfKey(thrown, key)
  }
}

interface Many {
  readonly results: readonly EnqueueResult[]
  /** What ended the request before its end. */
  readonly broken?: ForebayError
}

async function enqueueArray(gateway: Gateway, intake: Intake, items: readonly unknown[]): Promise<Many> {
  const { batchTasks } = gateway.config.limits
  if (items.length === 0) throw new ForebayError('INVALID_REQUEST', 'The array is empty: there is nothing to queue.')
  if (items.length > batchTasks) throw tooMany(batchTasks, 'Nothing of it was stored.')
  return {
    results: await enqueueBatch(
      intake,
      items.map((item) => () => taskOf(item, intake.headers)),
    ),
  }
}

async function enqueueLines(gateway: Gateway, intake: Intake, stream: Readable): Promise<Many> {
  const { batchTasks, bodyBytes, streamBytes } = gateway.config.limits
  const results: EnqueueResult[] = []
  let batch: (() => TaskInput)[] = []
  const flush = async () => {
    results.push(...(await enqueueBatch(intake, batch)))
    batch = []
  }
  try {
    for await (const line of linesOf(stream, bodyBytes, streamBytes)) {
      const number = results.length + batch.length + 1
      if (number > batchTasks) throw tooMany(batchTasks, 'Those before it are stored.')
      batch.push(() => taskOf(parseJson(line, `Task ${number}`), intake.headers))
      if (batch.length === BATCH_LINES) await flush()
    }
  } catch (thrown) {
    const broken = asForebayError(thrown, 'INVALID_REQUEST')
    await flush()
    return { results, broken }
  }
  await flush()
  if (results.length === 0)
    throw new ForebayError('INVALID_REQUEST', 'The body has no lines: there is nothing to queue.')
  return { results }
}

/** Queues what can be made; what can't is refused in its place. */
async function enqueueBatch(
  { queue, estimate }: Intake,
  makers: readonly (() => TaskInput)[],
): Promise<EnqueueResult[]> {
  const made = makers.map((make): TaskInput | ForebayError => {
    try {
      return make()
    } catch (thrown) {
      return asForebayError(thrown)
    }
  })
  const stored = await queue.queue.enqueueMany(
    made.filter((task): task is TaskInput => !(task instanceof ForebayError)),
    { estimate },
  )
  let next = 0
  return made.map((task) =>
    task instanceof ForebayError ? { status: 'refused', error: task } : (stored[next++] as EnqueueResult),
  )
}

/** The queue judges the fields; here only what HTTP callers may not set. */
function taskOf(given: unknown, headers: Intake['headers']): TaskInput {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ForebayError('INVALID_TASK', 'A task is an object with at least a payload. It was not stored.')
  }
  for (const path of NOT_BY_HTTP) {
    if (!Object.hasOwn(given, path)) continue
    throw new ForebayError('INVALID_TASK', `A task that comes by HTTP has no field "${path}". It was not stored.`, {
      path,
    })
  }
  checkDedupId((given as { dedupId?: unknown }).dedupId)
  const task = given as { readonly payload: unknown; readonly at?: unknown }
  const at = typeof task.at === 'string' ? { at: instantOf(task.at) } : undefined
  return { type: DEFAULT_TYPE, ...(task as { payload: unknown }), ...at, headers }
}

/** @throws ForebayError INVALID_TASK for a text that is no moment; a number is judged by the queue. */
function instantOf(text: string): number {
  const moment = INSTANT.safeParse(text).success ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(moment)) return moment
  const message = 'at is epoch milliseconds or a moment such as 2026-05-01T09:30:00+02:00. It was not stored.'
  throw new ForebayError('INVALID_TASK', message, { path: 'at' })
}

/** What travels with the tasks of a request: where the result goes, and the caller's trace. @throws ForebayError INVALID_REQUEST, TARGET_REFUSED. */
export function taskHeadersOf(queue: GatewayQueue, request: FastifyRequest): Record<string, string> {
  const callbackUrl = callbackUrlOf(queue, request)
  return { ...traceOfRequest(request.headers), ...(callbackUrl !== undefined && { [CALLBACK_HEADER]: callbackUrl }) }
}

function callbackUrlOf(queue: GatewayQueue, request: FastifyRequest): string | undefined {
  const url = request.headers[CALLBACK_HEADER]
  if (url === undefined) return undefined
  const details = { path: CALLBACK_HEADER }
  if (typeof url !== 'string')
    throw new ForebayError('INVALID_REQUEST', 'There is more than one callback URL. Nothing was queued.', details)
  if (!queue.callbacks) {
    const message = `Queue "${queue.name}" is not configured for callbacks (callbacks: true). Nothing was queued.`
    throw new ForebayError('INVALID_REQUEST', message, details)
  }
  queue.callbacks.check(url)
  return url
}

function replyMany(reply: FastifyReply, { results, broken }: Many): FastifyReply {
  const errors = results.flatMap((result) => (result.status === 'refused' ? [result.error] : []))
  const duplicates = results.filter(({ status }) => status === 'duplicate').length
  const allRefused = errors.length === results.length ? errors[0] : undefined
  const fault = broken ?? allRefused
  const status = broken?.status ?? (allRefused ? statusOfAll(errors) : errors.length > 0 ? 207 : 202)
  const waits = errors.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs]))
  const retryAfter = retryAfterSeconds(status, waits.length > 0 ? waits.reduce((a, b) => Math.max(a, b)) : undefined)
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  // What was not read of the request would be taken for the next one.
  if (broken) reply.header('connection', 'close')
  return reply.code(status).send({
    accepted: results.length - errors.length - duplicates,
    duplicates,
    refused: errors.length,
    results: results.map((result) =>
      result.status === 'refused' ? { status: 'refused', ...errorBody(result.error) } : enqueuedView(result),
    ),
    ...(fault && errorBody(fault)),
  })
}

/** One status for refusals of several kinds: the one that they share, or that some may be sent again, or plainly wrong. */
function statusOfAll(errors: readonly ForebayError[]): number {
  const statuses = new Set(errors.map(({ status }) => status))
  const [only] = statuses
  if (only !== undefined && statuses.size === 1) return only
  return statuses.has(429) ? 429 : 400
}

function tooMany(most: number, kept: string): ForebayError {
  return new ForebayError('PAYLOAD_TOO_LARGE', `This gateway takes at most ${most} tasks in one request. ${kept}`)
}
