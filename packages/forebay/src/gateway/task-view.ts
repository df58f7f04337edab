/** Tasks as callers see them. No view shows the values of secret headers that lie in a queued request. */

import type { DeadLetter, FoundTask, StoredTask } from '../backends/queue-service.ts'
import { isThrough, redactedRequest, type ThroughRequest } from './through-request.ts'

export function taskView(queue: string, found: FoundTask): object {
  if (found.state === 'completed') {
    const { id, state, completedAt, result } = found
    return { id, queue, state, completedAt, result: JSON.parse(result) as unknown }
  }
  const dead = found.state === 'dead' && { reason: found.reason, deadAt: found.deadAt }
  return { ...storedView(queue, found.task), state: found.state, ...dead }
}

export function deadLetterView(queue: string, { task, reason, deadAt }: DeadLetter): object {
  return { ...storedView(queue, task), payload: payloadView(task), reason, deadAt }
}

/** Where a task's state can be asked for. */
export function statusUrl(queue: string, id: string): string {
  return `/v1/tasks/${encodeURIComponent(Buffer.from(id).toString())}?queue=${queue}`
}

function storedView(queue: string, { id, type, attempts, createdAt, priority, key, failures }: StoredTask): object {
  return { id, queue, type, attempts, createdAt, priority, ...(key !== undefined && { key }), failures }
}

function payloadView(task: StoredTask): unknown {
  const payload: unknown = JSON.parse(task.payload)
  return isThrough(task) ? redactedRequest(payload as ThroughRequest) : payload
}
