/**
 * A task's body: what never changes, in one text that only we read. First a line of JSON, then the payload as it came, so that
 * a large one is neither parsed nor escaped again. As it is stored and comes back, a line of the scripts' own stands before it.
 */

import type { FailedAttempt } from '../../task.ts'
import type { NewTask, StoredTask } from '../queue-service.ts'

interface Head {
  readonly type: string
  readonly priority?: number
  readonly key?: string
  readonly cost?: number
  readonly ordered?: boolean
  readonly ttlMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** What the engine knows of a task beside its body. */
export interface Engines {
  readonly id: string
  readonly attempts: number
  readonly createdAt: number
  /** A JSON array; empty for none. */
  readonly failures: string
}

export function bodyOf(task: NewTask): string {
  const { type, priority, key, cost, ordered, ttlMs, headers, payload } = task
  // Most have no more than that.
  if (priority === 0 && !ordered && (key ?? cost ?? ttlMs ?? headers) === undefined) {
    return `{"type":${JSON.stringify(type)}}\n${payload}`
  }
  const head: Head = {
    type,
    ...(priority === 0 ? {} : { priority }),
    ...(key === undefined ? {} : { key }),
    ...(cost === undefined ? {} : { cost }),
    ...(ordered ? { ordered } : {}),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(headers === undefined ? {} : { headers }),
  }
  return `${JSON.stringify(head)}\n${payload}`
}

/** @param body As it is stored. */
export function storedTask(body: string, { id, attempts, createdAt, failures }: Engines): StoredTask {
  const start = body.indexOf('\n') + 1
  // JSON has no line feed within a line, so the next one ends the head.
  const end = body.indexOf('\n', start)
  const { type, priority = 0, key, cost = 1, ordered, ttlMs, headers = {} } = JSON.parse(body.slice(start, end)) as Head
  return {
    id,
    type,
    payload: body.slice(end + 1),
    createdAt,
    attempts,
    priority,
    ...(key === undefined ? {} : { key }),
    cost,
    ...(ordered ? { ordered } : {}),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    headers,
    failures: failures === '' ? [] : (JSON.parse(failures) as FailedAttempt[]),
  }
}
