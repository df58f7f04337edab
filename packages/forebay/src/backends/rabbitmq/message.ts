/**
 * A task as a message: what changes from grant to grant stands in the headers, the task itself in the body, as one line of
 * JSON about it and then its payload as it came. (Properties would not do: the server takes 255 bytes of an id or a type,
 * and all properties together must fit into one frame.)
 */

import type { AsyncMessage } from 'rabbitmq-client'
import type { DeadReason, FailedAttempt } from '../../task.ts'
import type { NewTask, StoredTask } from '../queue-service.ts'

/** What stays with a task. */
export interface TaskRecord {
  readonly id: string
  readonly type: string
  readonly priority: number
  readonly createdAt: number
  readonly key?: string
  readonly cost?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly ttlMs?: number
  /** By the wall clock. */
  readonly expiresAt?: number
  readonly failures?: readonly FailedAttempt[]
  readonly death?: Death
}

export interface Death {
  readonly reason: DeadReason
  readonly at: number
  /** Sorts letters by their deaths; unique. */
  readonly stamp: string
}

export interface Letter {
  readonly record: TaskRecord
  readonly payload: string
}

/** What changes while the task does not. */
export interface Progress {
  /** Attempts that were granted before this message was published. */
  readonly attempts: number
  /** When it became ready, by the publisher's wall clock. */
  readonly readyAt: number
  /** How much of its delay is left when it arrives, milliseconds. */
  readonly leftMs: number
}

export interface Outgoing extends Progress {
  readonly queue: string
  readonly body: Buffer
  /** The server's: 0 to 255. */
  readonly rank?: number
  /** For those who look at the queue with other tools. */
  readonly id?: string
}

export const CONTENT_TYPE = 'application/vnd.forebay.task'

const ATTEMPTS = 'forebay-attempts'
const READY_AT = 'forebay-ready-at'
const LEFT_MS = 'forebay-left-ms'

/** The server's own: how often it was given out before. Later versions count each time, also those that were given back. */
const TIMES_GIVEN = ['x-acquired-count', 'x-delivery-count']

export function headersOf({ attempts, readyAt, leftMs }: Progress): Record<string, number> {
  return { [ATTEMPTS]: attempts, [READY_AT]: Math.round(readyAt), [LEFT_MS]: Math.ceil(leftMs) }
}

export function progressOf({ headers = {} }: Pick<AsyncMessage, 'headers'>): Progress {
  const count = (name: string) => (typeof headers[name] === 'number' ? headers[name] : 0)
  return { attempts: count(ATTEMPTS), readyAt: count(READY_AT), leftMs: count(LEFT_MS) }
}

/** How often the server gave it out before, since it was published; undefined where the server only knows that it did. */
export function timesGiven({ headers = {}, redelivered }: Pick<AsyncMessage, 'headers' | 'redelivered'>) {
  const counted = TIMES_GIVEN.map((name) => headers[name]).find((count) => typeof count === 'number')
  if (counted !== undefined) return counted as number
  return redelivered ? undefined : 0
}

export function recordOf(task: NewTask, now: number): TaskRecord {
  const { id, type, priority, key, cost, headers, ttlMs } = task
  return {
    id,
    type,
    priority,
    createdAt: now,
    ...(key !== undefined && { key }),
    ...(cost !== undefined && { cost }),
    ...(headers !== undefined && { headers }),
    ...(ttlMs !== undefined && { ttlMs, expiresAt: now + ttlMs }),
  }
}

export function bodyOf({ record, payload }: Letter): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n${payload}`, 'utf8')
}

/** Undefined if it is none of ours. */
export function letterOf({ body, contentType }: Pick<AsyncMessage, 'body' | 'contentType'>): Letter | undefined {
  if (contentType !== CONTENT_TYPE || !Buffer.isBuffer(body)) return undefined
  const end = body.indexOf('\n')
  try {
    const record: unknown = JSON.parse(body.toString('utf8', 0, end))
    return isRecord(record) ? { record, payload: body.toString('utf8', end + 1) } : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is TaskRecord {
  if (typeof value !== 'object' || value === null) return false
  const { id, type, priority, createdAt } = value as Partial<Record<keyof TaskRecord, unknown>>
  return (
    typeof id === 'string' && typeof type === 'string' && typeof priority === 'number' && typeof createdAt === 'number'
  )
}

/** What somebody else put into the queue, as a task that can be looked at: its text becomes the payload. */
export function foreignLetter(message: AsyncMessage, stamp: string, now: number): Letter {
  const { body, messageId, type } = message
  const text = Buffer.isBuffer(body) ? body.toString('utf8') : typeof body === 'string' ? body : JSON.stringify(body)
  const record = { id: messageId ?? `unreadable ${stamp}`, type: type ?? 'unknown', priority: 0, createdAt: now }
  return { record, payload: JSON.stringify(text) }
}

export function storedTask({ record, payload }: Letter, attempts: number): StoredTask {
  const { id, type, createdAt, priority, key, cost = 1, headers = {}, failures = [] } = record
  return {
    id,
    type,
    payload,
    createdAt,
    attempts,
    priority,
    ...(key !== undefined && { key }),
    cost,
    headers,
    failures,
  }
}
