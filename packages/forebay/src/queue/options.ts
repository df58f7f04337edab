/** The options of a `LoadLevelingQueue`, their defaults and their bounds. */

import type { QueueService, StoredTask } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import type { StartEstimate } from '../flow/start-estimate.ts'
import type { RandomSource } from '../random.ts'
import type { Fair } from './fair-weights.ts'
import type { QueueObserver } from './observer.ts'
import type { Overflow } from './overflow.ts'
import type { TaskTypes } from './task-types.ts'

export interface QueueOptions<Types extends TaskTypes> {
  /** Several queues can live in one backend under different names. Default `default`; letters, digits, `.`, `_`, `-`. */
  readonly name?: string
  /** So many tasks at most, ready, delayed and in flight; what happens beyond it says `overflow`. Default: no bound. */
  readonly maxDepth?: number
  /** So many bytes of payload at most. Default: no bound. */
  readonly maxBytes?: number
  /**
   * What happens at a bound. `reject`: `enqueue` refuses with QUEUE_FULL. `drop-oldest`, `drop-lowest-priority`: a task that is
   * queued gives way. `{ policy: 'wait', deadlineMs }`: `enqueue` waits for room. `{ policy: 'spill', to }`: what does not fit lies
   * in a second queue until it does. Default `reject`. docs/admission.md says how to choose.
   */
  readonly overflow?: Overflow
  /**
   * Whether a task whose `ttlMs` would pass before it could start is refused with TOO_LATE at once, and told when it would be in
   * time. Only where the start can be estimated; else it is taken. Default false.
   */
  readonly shedLate?: boolean
  /**
   * Whether each key's tasks stand in a line of their own, and the lines get equal shares, or shares by weight: a key with many
   * tasks does not keep those of another waiting. Tasks without a key share a line of weight 1. Priorities order the tasks
   * of one key; among keys each step is a head start of ten tasks, and no more. Default: true where the backend can.
   */
  readonly fair?: Fair
  /** Default 262,144, or what the backend can carry if that is less. */
  readonly maxPayloadBytes?: number
  /** The task types and the schemas of their payloads. Default: any type, any payload. */
  readonly tasks?: Types
  /**
   * How many tasks a second are expected to leave the queue while tasks wait: for estimates and `Retry-After`, until it is
   * measured. Default: nothing is expected, and `Retry-After` supposes a tenth of `maxDepth`.
   */
  readonly expectedPerSecond?: number
  /** How long a `dedupId` is remembered. Default 300,000. */
  readonly dedupWindowMs?: number
  /**
   * Keeps what all consumers of the queue share (one rate, one limit) where the backend itself has no atomic state, such as
   * RabbitMQ and SQS: a backend URL (`sqlite:rates.db`, `redis://...`), opened under the queue's name, or a `QueueService`
   * made by hand, for this queue alone. It stores no tasks, and is closed with the queue. All processes name the same one.
   * Default: the backend itself.
   */
  readonly coordinator?: string | QueueService
  /** Watches the queue, its backend and its consumers: `createTelemetry()`. Default: nobody does. */
  readonly telemetry?: QueueObserver
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** Where ids come from. Default: the system's source. */
  readonly random?: RandomSource
}

export interface EnqueueOptions {
  /** Whether the answer shall say when the task is likely to start. Default false. */
  readonly estimate?: boolean
  /**
   * A client of the backend's own engine on which you have begun a transaction (a `Client` of `pg`): the task is there when that
   * commits, with all else that it does, and never if it does not. Refused with UNSUPPORTED where the backend has no such
   * transactions. A task that does not fit is refused, also with the overflow policies `wait` and `spill`. Default: none.
   */
  readonly transaction?: unknown
}

/** What a queue tells its listeners. */
export interface QueueEvents {
  accepted: { readonly id: string; readonly type: string }
  duplicate: { readonly id: string; readonly type: string }
  refused: { readonly type: string; readonly code: string; readonly retryAfterMs: number | undefined }
  /** Task `id` gave way to task `by` and will never run. */
  dropped: { readonly id: string; readonly by: string }
  /** The task did not fit, was accepted all the same, and lies in the spill. */
  spilled: { readonly id: string; readonly type: string }
  /** It is back from the spill. */
  returned: { readonly id: string; readonly type: string }
  /** Its `ttlMs` passed while it lay in the spill: it will never run. */
  expired: { readonly task: StoredTask }
  /** A task has waited for room; what became of it then is an event of its own. */
  waited: { readonly type: string; readonly waitedMs: number }
  /** A backend could not be asked for room, or for what was spilled; it is tried again in `retryInMs`. */
  error: { readonly error: ForebayError; readonly retryInMs: number }
}

export interface Enqueued {
  /** The task's id; for a duplicate the first one's. */
  readonly id: string
  readonly status: 'accepted' | 'duplicate'
  /** When it is likely to start, where that was asked for and is known. */
  readonly estimate?: StartEstimate
  /** The tasks that gave way to it. */
  readonly dropped?: readonly string[]
  /** Whether it lies in the spill. */
  readonly spilled?: true
  /** How long it waited for room, ms, if it did. */
  readonly waitedMs?: number
}

export const QUEUE_DEFAULTS = { name: 'default', maxPayloadBytes: 262_144, dedupWindowMs: 300_000 } as const
