/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is repeated with its key is queued once. The
 * key is kept by the queue as a dedup id under a prefix of its own, so it is known in all processes, for
 * `idempotencyWindowMs`, also after the task is done.
 *
 * What must be the same: the payload and type of a task; method, path, query and body of a request in through mode, whose
 * headers may differ (a date, a trace).
 */

import type { FastifyRequest } from 'fastify'
import { ForebayError } from '../errors.ts'
import { TASK_BOUNDS, type TaskInput } from '../task.ts'
import type { QueueSettings } from './config-schema.ts'
import { headerPairs } from './headers.ts'

const HEADER = 'idempotency-key'

/** Dedup ids that begin with this are the gateway's. */
const PREFIX = 'idempotency-key:'

const LONGEST_KEY = TASK_BOUNDS.dedupIdChars - PREFIX.length

/** The key of a request, which may be a structured string ("..." as the draft has it) or plain; undefined if it has none. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const values = headerPairs(request.raw.rawHeaders).filter(([name]) => name.toLowerCase() === HEADER)
  const [first] = values
  if (!first) return undefined
  if (values.length > 1) throw invalid('There is more than one Idempotency-Key')
  const given = first[1].trim()
  const key = given.startsWith('"') ? structuredString(given) : /^[\x21\x23-\x7e]+$/.exec(given)?.[0]
  if (key === undefined || key === '' || key.length > LONGEST_KEY) {
    throw invalid(
      `An Idempotency-Key is a string of 1 to ${LONGEST_KEY} visible characters, such as "8e03978e-40d5-43e8"`,
    )
  }
  return key
}

/** The task, known by the key for as long as its queue says. */
export function withKey<Input extends TaskInput>(task: Input, key: string, { idempotencyWindowMs }: QueueSettings) {
  return { ...task, dedupId: `${PREFIX}${key}`, dedupWindowMs: idempotencyWindowMs }
}

/** @throws ForebayError INVALID_TASK for a dedup id that a caller may not use. */
export function checkDedupId(dedupId: unknown): void {
  if (typeof dedupId !== 'string' || !dedupId.startsWith(PREFIX)) return
  const message = `A dedupId that begins with "${PREFIX}" belongs to the Idempotency-Key header. The task was not stored.`
  throw new ForebayError('INVALID_TASK', message, { path: 'dedupId' })
}

/** A conflict of dedup ids in the words of who sent a key. */
export function inWordsOfKey(thrown: unknown, key: string | undefined): unknown {
  if (key === undefined || !(thrown instanceof ForebayError) || thrown.code !== 'DEDUP_CONFLICT') return thrown
  const message = 'The Idempotency-Key was used for another request. Nothing was stored.'
  return new ForebayError('DEDUP_CONFLICT', message, { path: HEADER })
}

export function refuseForMany(key: string | undefined): void {
  if (key !== undefined)
    throw invalid('An Idempotency-Key names one request for one task, and this body may hold many; give each a dedupId')
}

/** RFC 8941, 3.3.3: printable ASCII in quotes, with `\"` and `\\`. */
function structuredString(text: string): string | undefined {
  const inner = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text)?.[1]
  return inner?.replace(/\\(["\\])/g, '$1')
}

function invalid(sentence: string): ForebayError {
  return new ForebayError('INVALID_REQUEST', `${sentence}. Nothing was queued.`, { path: HEADER })
}
