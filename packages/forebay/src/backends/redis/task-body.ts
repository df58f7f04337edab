/**
 * A task's body as it is stored: what never changes, in one text that only we read. First a line of JSON, then the payload as
 * it came, so that a large one is neither parsed nor escaped again.
 */

import type { FailedAttempt } from '../../task.ts'
import type { NewTask, StoredTask } from '../queue-service.ts'

interface Head {
  readonly type: string
  readonly priority?: number
  readonly key?: string
  readonly cost?: number
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

export function bodyOf({ type, priority, key, cost, headers, payload }: NewTask): string {
  const head: Head = {
    type,
    ...(priority === 0 ? {} : { priority }),
    ...(key === undefined ? {} : { key }),
    ...(cost === undefined ? {} : { cost }),
    ...(headers === undefined ? {} : { headers }),
  }
  return `${JSON.stringify(head)}\n${payload}`
}

export function storedTask(body: string, { id, attempts, createdAt, failures }: Engines): StoredTask {
  // JSON has no line feed within a line, so the first one ends the head.
  const end = body.indexOf('\n')
  const { type, priority = 0, key, cost = 1, headers = {} } = JSON.parse(body.slice(0, end)) as Head
  return {
    id,
    type,
    payload: body.slice(end + 1),
    createdAt,
    attempts,
    priority,
    ...(key === undefined ? {} : { key }),
    cost,
    headers,
    failures: failures === '' ? [] : (JSON.parse(failures) as FailedAttempt[]),
  }
}
