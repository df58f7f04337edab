/** Rows of tasks as the port's tasks. */

import type { FailedAttempt } from '../../task.ts'
import type { StoredTask } from '../queue-service.ts'
import { fromStored } from './stored-text.ts'

/** The columns of a task as every function answers them, in this order: sql/task-columns.ts. */
export type TaskColumns = [
  attempts: number,
  failures: string[] | null,
  createdAt: number,
  priority: number,
  cost: number,
  ordered: boolean,
  ttl: number | null,
  type: string,
  key: string | null,
  headers: string | null,
  payload: string,
]

export function storedTask(id: string, columns: TaskColumns): StoredTask {
  const [attempts, failures, createdAt, priority, cost, ordered, ttl, type, key, headers, payload] = columns
  return {
    id,
    type: fromStored(type),
    payload,
    createdAt: Math.floor(createdAt),
    attempts,
    priority,
    ...(key === null ? {} : { key: fromStored(key) }),
    cost,
    ...(ordered ? { ordered } : {}),
    ...(ttl === null ? {} : { ttlMs: ttl }),
    headers: headers === null ? {} : (JSON.parse(headers) as Record<string, string>),
    failures: (failures ?? []).map((failure) => JSON.parse(failure) as FailedAttempt),
  }
}

export const TASK_COLUMN_COUNT = 11
