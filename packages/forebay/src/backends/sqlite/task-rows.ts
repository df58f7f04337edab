/** Rows of `tasks` and `places` as the port's tasks. */

import type { FailedAttempt } from '../../task.ts'
import { TASK_BOUNDS } from '../../task.ts'
import type { StoredTask } from '../queue-service.ts'

export interface TaskRow {
  readonly seq: number
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly key: string | null
  readonly cost: number
  readonly ordered: number
  readonly ttlMs: number | null
  readonly headers: string | null
  readonly createdAt: number
  readonly priority: number
  readonly attempts: number
  readonly failures: string | null
}

export const TASK_COLUMNS =
  't.seq, t.id, t.type, t.payload, t.key, t.cost, t.ordered, t.ttlMs, t.headers, t.createdAt, p.priority, p.attempts, p.failures'

export function storedTask(row: TaskRow): StoredTask {
  const { id, type, payload, key, cost, ordered, ttlMs, headers, createdAt, priority, attempts } = row
  return {
    id,
    type,
    payload,
    createdAt,
    attempts,
    priority,
    ...(key === null ? {} : { key }),
    cost,
    ...(ordered ? { ordered: true } : {}),
    ...(ttlMs === null ? {} : { ttlMs }),
    headers: headers === null ? {} : (JSON.parse(headers) as Record<string, string>),
    failures: failuresOf(row.failures),
  }
}

/** The failures with one more, as they are stored; the oldest give way. */
export function addFailure(stored: string | null, failure: FailedAttempt | undefined): string | null {
  if (!failure) return stored
  return JSON.stringify([...failuresOf(stored), failure].slice(-TASK_BOUNDS.failuresKept))
}

function failuresOf(stored: string | null): FailedAttempt[] {
  return stored === null ? [] : (JSON.parse(stored) as FailedAttempt[])
}
