/**
 * One version of a task, as a message of the stream of the tasks: a line of JSON that says everything but the payload, then
 * the payload. A version is never changed; what happens to a task makes a new one, on the same subject.
 */

import { ForebayError } from '../../errors.ts'
import { type DeadReason, type FailedAttempt, TASK_BOUNDS } from '../../task.ts'
import type { NewTask, StoredTask } from '../queue-service.ts'
import type { StoredMessage } from './jetstream.ts'

interface Facts {
  /** `ready`: may be granted. `delayed`: becomes ready when it is due. `dead`: a dead letter. `anchor`: no task (stream-end.ts). */
  readonly kind: 'ready' | 'delayed' | 'dead' | 'anchor'
  readonly id: string
  readonly type: string
  readonly priority: number
  readonly key?: string
  readonly cost?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Attempts before this version. */
  readonly attempts: number
  readonly failures?: readonly FailedAttempt[]
  /** Stamps of the server. Undefined: the version's own stamp. */
  readonly createdAt?: number
  readonly readyAt?: number
  /** From which its time to live runs. */
  readonly bornAt?: number
  readonly ttlMs?: number
  /** Of a delayed one: from its own stamp on. */
  readonly delayMs?: number
  readonly reason?: DeadReason
  /** The sequence of the version that this one came from, which may still be there. */
  readonly previous?: number
  /** The hash of its dedup id, and the sequence of the record of it. */
  readonly dedup?: { readonly hash: string; readonly sequence: number }
}

export interface TaskRecord extends Facts {
  readonly payload: string
}

/** A record where it stands. */
export interface Version {
  readonly record: TaskRecord
  /** In the stream of the tasks: names the version for ever. */
  readonly sequence: number
  /** When the server stored it, epoch ms by its clock. */
  readonly storedAt: number
}

const NEWLINE = 10

export function encodeRecord({ payload, ...facts }: TaskRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify(facts)}\n${payload}`)
}

/** @throws ForebayError `BACKEND_CORRUPT` if it is none of ours. */
export function decodeRecord(data: Uint8Array): TaskRecord {
  const end = data.indexOf(NEWLINE)
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  try {
    const facts = JSON.parse(text.toString('utf8', 0, end)) as Facts
    return { ...facts, payload: text.toString('utf8', end + 1) }
  } catch (cause) {
    const message = 'A message in the stream of the tasks is no task: somebody else wrote it. It was left as it is.'
    throw new ForebayError('BACKEND_CORRUPT', message, { cause })
  }
}

export function versionOf(message: StoredMessage | undefined): Version | undefined {
  if (!message) return undefined
  return { record: decodeRecord(message.data), sequence: message.sequence, storedAt: message.storedAt }
}

export function recordOf(task: NewTask, dedup: Facts['dedup']): TaskRecord {
  const { id, type, payload, priority, key, cost, headers, ttlMs, delayMs } = task
  return {
    kind: delayMs > 0 ? 'delayed' : 'ready',
    id,
    type,
    payload,
    priority,
    attempts: 0,
    ...(key !== undefined && { key }),
    ...(cost !== undefined && { cost }),
    ...(headers && Object.keys(headers).length > 0 && { headers }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(delayMs > 0 && { delayMs }),
    ...(dedup && { dedup }),
  }
}

/** What is so of the successor of a version, and was not of the version. */
export interface Change extends Partial<Pick<Facts, 'delayMs' | 'readyAt' | 'reason'>> {
  readonly kind: Facts['kind']
  readonly attempts: number
  readonly failure?: FailedAttempt | undefined
  /** Its time to live begins again. */
  readonly reborn?: boolean
}

export function successorOf({ record, sequence, storedAt }: Version, change: Change): TaskRecord {
  const { delayMs: _delay, readyAt: _ready, reason: _reason, bornAt = storedAt, ...lasting } = record
  const { failure, reborn = false, ...changed } = change
  const failures = failure && [...(record.failures ?? []), failure].slice(-TASK_BOUNDS.failuresKept)
  return {
    ...lasting,
    ...changed,
    createdAt: record.createdAt ?? Math.floor(storedAt),
    previous: sequence,
    ...(failures && { failures }),
    // Of a reborn one its own stamp is taken.
    ...(!reborn && { bornAt }),
  }
}

/** When it became ready, or will. */
export function readyAtOf({ record, storedAt }: Version): number {
  return record.readyAt ?? storedAt + (record.delayMs ?? 0)
}

export function hasExpired({ record, storedAt }: Version, now: number): boolean {
  return record.ttlMs !== undefined && (record.bornAt ?? storedAt) + record.ttlMs <= now
}

/** @param attempts Granted so far. */
export function storedTaskOf({ record, storedAt }: Version, attempts: number): StoredTask {
  const { id, type, payload, priority, key, cost = 1, ttlMs, headers = {}, failures = [] } = record
  const createdAt = record.createdAt ?? Math.floor(storedAt)
  const task = { id, type, payload, createdAt, attempts, priority, cost, headers, failures }
  return { ...task, ...(key !== undefined && { key }), ...(ttlMs !== undefined && { ttlMs }) }
}
