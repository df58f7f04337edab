/**
 * A task as the body of a message, for engines that keep nothing but messages: one line of JSON about the task, then its
 * payload as it came, so that a large one is neither parsed nor escaped again.
 */

import { type DeadReason, type FailedAttempt, TASK_BOUNDS } from '../task.ts'
import type { NewTask, StoredTask } from './queue-service.ts'

/** What is written about a task. */
export interface TaskRecord {
  readonly id: string
  readonly type: string
  readonly priority?: number
  /** By the wall clock of the process that pushed it. */
  readonly createdAt: number
  readonly key?: string
  readonly ordered?: true
  readonly cost?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly ttlMs?: number
  /** By the wall clock. */
  readonly expiresAt?: number
  /** When it is due, by the wall clock; left out if that is `createdAt`. */
  readonly readyAt?: number
  /** How much of its delay is left when this message arrives, milliseconds. */
  readonly leftMs?: number
  /** What is to be added to the engine's own count of grants of this message. */
  readonly granted?: number
  readonly failures?: readonly FailedAttempt[]
  readonly death?: Death
  /** Where its payload is, if it is not here. */
  readonly blob?: string
}

export interface Death {
  readonly reason: DeadReason
  /** By the wall clock. */
  readonly at: number
  /** Sorts letters by their deaths; unique. */
  readonly stamp: string
}

export interface Letter {
  readonly record: TaskRecord
  readonly payload: string
}

/** What others write begins otherwise. */
const OURS = '{"forebay":1,'

export function recordOf(task: NewTask, now: number): TaskRecord {
  const { id, type, priority, key, ordered, cost, headers, ttlMs, delayMs } = task
  return {
    id,
    type,
    createdAt: now,
    ...(priority !== 0 && { priority }),
    ...(key !== undefined && { key }),
    ...(ordered && { ordered }),
    ...(cost !== undefined && { cost }),
    ...(headers !== undefined && { headers }),
    ...(ttlMs !== undefined && { ttlMs, expiresAt: now + ttlMs }),
    ...(delayMs > 0 && { readyAt: now + delayMs }),
  }
}

/** Escapes what no engine's text may hold: two code points that Unicode has set apart; in JSON they stand in strings only. */
export function textOf({ record, payload }: Letter): string {
  const text = `${OURS}${JSON.stringify(record).slice(1)}\n${payload}`
  return text.replace(/[\uFFFE\uFFFF]/g, escaped)
}

/** The same for those who take no characters beyond the 65,536 first. */
export function plainTextOf(text: string): string {
  return text.replace(/[\uD800-\uDFFF]/g, escaped)
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Undefined if it is none of ours. */
export function letterOf(text: string): Letter | undefined {
  const end = text.indexOf('\n')
  if (!text.startsWith(OURS) || end < 0) return undefined
  try {
    const { forebay: _, ...record } = JSON.parse(unescaped(text.slice(0, end))) as TaskRecord & { forebay: number }
    return { record, payload: unescaped(text.slice(end + 1)) }
  } catch {
    return undefined
  }
}

const ESCAPED = /\\(?:u(?:(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|(fff[ef]))|.)/gs

/** JSON never escapes what was escaped here, so what is escaped is given back as it was. */
function unescaped(json: string): string {
  if (!json.includes('\\u')) return json
  return json.replace(ESCAPED, (all, high?: string, low?: string, apart?: string) => {
    if (high !== undefined && low !== undefined) return String.fromCharCode(parseInt(high, 16), parseInt(low, 16))
    return apart === undefined ? all : String.fromCharCode(parseInt(apart, 16))
  })
}

/** What somebody else put into the queue, as a task that can be looked at: its text becomes the payload. */
export function foreignLetter(messageId: string, text: string, now: number): Letter {
  return { record: { id: `unreadable ${messageId}`, type: 'unknown', createdAt: now }, payload: JSON.stringify(text) }
}

export function storedTask({ record, payload }: Letter, attempts: number): StoredTask {
  const { id, type, createdAt, priority = 0, key, ordered, cost = 1, ttlMs, headers = {}, failures = [] } = record
  return {
    id,
    type,
    payload,
    createdAt,
    attempts,
    priority,
    ...(key !== undefined && { key }),
    ...(ordered && { ordered }),
    cost,
    ...(ttlMs !== undefined && { ttlMs }),
    headers,
    failures,
  }
}

/** With one more failure; the last ones are kept. */
export function failedOnce(record: TaskRecord, failure: FailedAttempt | undefined): TaskRecord {
  if (!failure) return record
  const message = failure.message.slice(0, TASK_BOUNDS.failureMessageChars)
  return { ...record, failures: [...(record.failures ?? []), { ...failure, message }].slice(-TASK_BOUNDS.failuresKept) }
}

/** With as many of the last failures as there is room for. */
export function fitted(letter: Letter, maxBytes: number): Letter {
  const { failures = [], ...record } = letter.record
  if (failures.length === 0 || Buffer.byteLength(textOf(letter)) <= maxBytes) return letter
  return fitted({ record: { ...record, failures: failures.slice(1) }, payload: letter.payload }, maxBytes)
}

/** A dead one made ready again: no attempts, its time to live begins anew. */
export function revived(record: TaskRecord, now: number): TaskRecord {
  const { death: _death, granted: _granted, leftMs: _left, ...alive } = record
  return { ...alive, readyAt: now, ...(alive.ttlMs !== undefined && { expiresAt: now + alive.ttlMs }) }
}

export function isExpired({ expiresAt }: TaskRecord, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}
