/**
 * The nouns of the queue: what a task is, before and after a backend has it.
 *
 * Everything here is data. Times are milliseconds: stamps are epoch milliseconds by the backend's own clock, spans are
 * durations. A payload travels as JSON text, so that no backend needs to know what is in it.
 */

/** A task's id: chosen above the backend, unique in its queue, at most 128 characters. */
export type TaskId = string

/** What a producer hands to `enqueue`. */
export interface TaskInput<Type extends string = string, Payload = unknown> {
  /** Which kind of work this is; at most 128 characters. */
  readonly type: Type
  /** Any JSON value. */
  readonly payload: Payload
  /** The task's id. Default: a new one that sorts by time. Enqueueing an id that is still queued is a duplicate. */
  readonly id?: TaskId
  /** Whole number, higher goes first, -1,000 to 1,000. Default 0. Waiting tasks age, so none starves. */
  readonly priority?: number
  /** Groups tasks, for example by tenant; at most 256 characters. */
  readonly key?: string
  /**
   * Whether it starts only when every ordered task of its key that was enqueued before it is over for good: completed, dead,
   * expired or dropped. Needs a `key`. Default false.
   */
  readonly ordered?: boolean
  /**
   * What it costs of a rate that counts costs, such as the tokens of a request to a language model: above 0, at most
   * 1,000,000,000. It is also what its key is charged in the fair order among keys. Default 1.
   */
  readonly cost?: number
  /** Not before this many milliseconds from now. Default 0. */
  readonly delayMs?: number
  /**
   * Not before this moment: epoch milliseconds, or a Date. By the clock of the process that enqueues; one that has passed is now.
   * Instead of `delayMs`. At most ten years ago and a hundred years ahead: what lies outside is a mistake in the unit.
   */
  readonly at?: Date | number
  /** If it has not started within this many milliseconds it expires and never runs. Default: never. */
  readonly ttlMs?: number
  /** A second task with this id within the window is answered with the first one's id; at most 256 characters. */
  readonly dedupId?: string
  /** How long its `dedupId` is remembered, ms, from now on. Default: the queue's `dedupWindowMs`. */
  readonly dedupWindowMs?: number
  /** Small strings that travel with the task, such as a trace context. */
  readonly headers?: Readonly<Record<string, string>>
}

/** One attempt that did not succeed, as it is kept with the task. */
export interface FailedAttempt {
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Epoch milliseconds. */
  readonly at: number
  /** A code of ours, or the error's own name. */
  readonly code: string
  readonly message: string
}

/** A task as a handler sees it. */
export interface Task<Type extends string = string, Payload = unknown> {
  readonly id: TaskId
  readonly type: Type
  readonly payload: Payload
  /** When the backend accepted it, epoch milliseconds by the backend's clock. */
  readonly createdAt: number
  /** Attempts so far, this one included: 1 while the first attempt runs. */
  readonly attempts: number
  readonly priority: number
  readonly key?: string
  readonly cost: number
  readonly headers: Readonly<Record<string, string>>
  /** The last failed attempts, oldest first; as many as the backend keeps. */
  readonly failures: readonly FailedAttempt[]
}

/** Why a task was moved to the dead letters. */
export type DeadReason =
  /** Every attempt that it was allowed failed. */
  | 'attempts-exhausted'
  /** The handler said so, or the downstream refused it for good. */
  | 'refused'
  /** Its payload no longer passes the schema of its type, or nothing handles its type. */
  | 'unreadable'

/** The bounds of a task's fields, enforced at `enqueue`. */
export const TASK_BOUNDS = {
  idChars: 128,
  typeChars: 128,
  keyChars: 256,
  dedupIdChars: 256,
  priority: 1_000,
  cost: 1_000_000_000,
  headersBytes: 8_192,
  /** A failure's message is cut to this many characters before it is kept. */
  failureMessageChars: 1_000,
  /** How many failures a backend keeps with a task, at most. */
  failuresKept: 10,
} as const
