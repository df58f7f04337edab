/** A task in a `MemoryStore`, with its place there. */

import type { DeadReason, FailedAttempt } from '../../task.ts'
import { TASK_BOUNDS } from '../../task.ts'
import type { NewTask, StoredTask } from '../queue-service.ts'
import { rankOf } from '../rank.ts'
import type { Line } from './line.ts'

export type EntryState = 'ready' | 'delayed' | 'blocked' | 'inFlight' | 'dead'

export interface Entry {
  task: StoredTask
  state: EntryState
  /** Order of pushes; breaks ties of rank. */
  readonly order: number
  readonly bytes: number
  readonly ttlMs: number | undefined
  /** The key whose order it keeps; undefined if it was not asked to. */
  readonly turnKey: string | undefined
  /** Who comes after it in that order. */
  next: Entry | undefined
  /** Where it waits when it is ready. Of a dead letter: where it last did, for its weight. */
  line: Line
  rank: number
  /** When it became or becomes ready; of a task in flight: when its lease ends. By the monotonic clock. */
  due: number
  /** By the monotonic clock; Infinity: never. */
  expiresAt: number
  /** Of its latest grant. */
  token: string
  death: Death | undefined
  /** Its places in the heaps. */
  atRank: number
  atDue: number
}

export interface Death {
  readonly reason: DeadReason
  readonly at: number
  /** Order of deaths. */
  readonly order: number
}

/** The task with one more failure; the oldest give way. */
export function withFailure(task: StoredTask, failure: FailedAttempt | undefined): StoredTask {
  if (!failure) return task
  return { ...task, failures: [...task.failures, failure].slice(-TASK_BOUNDS.failuresKept) }
}

/** Stands in for a task that is no more. */
export const FORGOTTEN: StoredTask = {
  id: '',
  type: '',
  payload: '',
  createdAt: 0,
  attempts: 0,
  priority: 0,
  cost: 1,
  headers: {},
  failures: [],
}

/** The task as it is handed out. */
export function storedTask(task: NewTask, createdAt: number): StoredTask {
  const { id, type, payload, priority, key, cost = 1, ordered, ttlMs, headers = {} } = task
  const own = {
    ...(key === undefined ? {} : { key }),
    ...(ordered ? { ordered } : {}),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  }
  return { id, type, payload, createdAt, attempts: 0, priority, ...own, cost, headers, failures: [] }
}

/** Not yet in its place. */
export function newEntry(
  { priority, key, ordered = false, ttlMs }: NewTask,
  at: Pick<Entry, 'task' | 'line' | 'order' | 'bytes'> & { readonly now: number },
): Entry {
  const { now, ...given } = at
  return {
    ...given,
    state: 'delayed',
    ttlMs,
    turnKey: ordered ? key : undefined,
    next: undefined,
    rank: rankOf(now, priority),
    due: now,
    expiresAt: now + (ttlMs ?? Infinity),
    token: '',
    death: undefined,
    atRank: -1,
    atDue: -1,
  }
}
