/** A task in a `MemoryStore`, with its place there. */

import type { DeadReason, FailedAttempt } from '../../task.ts'
import { TASK_BOUNDS } from '../../task.ts'
import type { StoredTask } from '../queue-service.ts'

export type EntryState = 'ready' | 'delayed' | 'blocked' | 'inFlight' | 'dead'

export interface Entry {
  task: StoredTask
  state: EntryState
  /** Order of pushes; breaks ties of rank. */
  readonly order: number
  readonly bytes: number
  readonly ttlMs: number | undefined
  /** The key whose order it keeps; undefined if it was not asked to. */
  readonly line: string | undefined
  /** Who comes after it in that line. */
  next: Entry | undefined
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
