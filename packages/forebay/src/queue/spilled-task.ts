/**
 * A task as it lies in a spill: under its own id, with its type, payload, priority, key and time to start, so that the spill
 * keeps the order and knows what has expired; ready at once, since only the queue proper counts its delay. What a backend
 * does not give back with a claim (its delay, its dedup id, ...) travels in a header of ours.
 */

import type { Capabilities, Claim, FoundTask, NewTask, StoredTask } from '../backends/queue-service.ts'
import { aged } from './candidate.ts'

const HEADER = 'forebay-spilled'

/** A move that a crash has repeated is known by this for so long, also when the task has been completed meanwhile. */
const MOVE_REMEMBERED_MS = 3_600_000

type Kept = Pick<NewTask, 'delayMs' | 'ttlMs' | 'ordered' | 'weight' | 'dedup'>

export function toSpilled(task: NewTask, { priority, fairness }: Capabilities): NewTask {
  const { delayMs, ttlMs, ordered, weight, dedup, ...rest } = task
  const kept: Kept = {
    delayMs,
    ...(ttlMs !== undefined && { ttlMs }),
    ...(ordered && { ordered }),
    ...(weight !== undefined && { weight }),
    ...(dedup && { dedup }),
  }
  return {
    ...rest,
    delayMs: 0,
    priority: priority === 'none' ? 0 : task.priority,
    ...(ttlMs !== undefined && { ttlMs }),
    ...(ordered && { ordered }),
    ...(weight !== undefined && fairness && { weight }),
    ...(dedup && { dedup }),
    headers: { ...task.headers, [HEADER]: JSON.stringify({ ...kept, priority: task.priority }) },
  }
}

/**
 * What is pushed into the queue proper. What it spent in the spill counts towards its delay and its time to start: as
 * long as the spill's backend says that it waited there, which after a move that had to be given up is less than it did.
 * @param maxDedupWindowMs Of the queue proper.
 */
export function fromSpilled({ task, waitedMs }: Claim, maxDedupWindowMs: number): NewTask {
  const { headers, kept } = apart(task.headers)
  const { id, type, payload, cost, createdAt, key } = task
  // The same task again, by a move after a crash, but not a later task with this id.
  const move = { id: `${HEADER}:${createdAt}:${id}`, windowMs: Math.min(MOVE_REMEMBERED_MS, maxDedupWindowMs) }
  const dedup = kept.dedup ?? (maxDedupWindowMs > 0 ? move : undefined)
  const moved: NewTask = {
    id,
    type,
    payload,
    cost,
    priority: kept.priority ?? task.priority,
    ...(key !== undefined && { key }),
    ...(kept.ordered && { ordered: true }),
    ...(kept.weight !== undefined && { weight: kept.weight }),
    delayMs: kept.delayMs ?? 0,
    ...(kept.ttlMs !== undefined && { ttlMs: kept.ttlMs }),
    ...(dedup && { dedup }),
    ...(Object.keys(headers).length > 0 && { headers }),
  }
  return aged(moved, waitedMs)
}

/** The task as it was before it was spilled. */
export function asBefore(task: StoredTask): StoredTask {
  const { headers, kept } = apart(task.headers)
  return { ...task, headers, priority: kept.priority ?? task.priority }
}

/** A spilled task as somebody sees it who asks for it: it is on its way into the queue, and nothing runs it there. */
export function seenInSpill(found: FoundTask): FoundTask | undefined {
  if (found.state === 'completed' || found.state === 'dead') return undefined
  return { state: 'delayed', task: asBefore(found.task) }
}

/** Without the header of ours, and what that says. */
function apart(all: Readonly<Record<string, string>>) {
  const { [HEADER]: text, ...headers } = all
  return { headers, kept: (text === undefined ? {} : JSON.parse(text)) as Partial<Kept & { priority: number }> }
}
