/** Tasks as callers see them. No view shows the values of secret headers that lie in a queued request. */

import type { DeadLetter, FoundTask, StoredTask } from '../backends/queue-service.ts'
import type { Enqueued } from '../queue/options.ts'
import { isThrough, redactedRequest, requestOf } from './through-request.ts'

/** What a caller is told of a task that was taken. */
export function enqueuedView({ id, status, estimate, spilled }: Enqueued): object {
  const told = estimate && { startsInMs: Math.round(estimate.startsInMs), position: estimate.position }
  return { id, status, ...(spilled && { spilled }), ...told }
}

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
  return isThrough(task) ? redactedRequest(requestOf({ payload, headers: task.headers })) : payload
}
