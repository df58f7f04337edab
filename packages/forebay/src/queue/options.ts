/** The options of a `LoadLevelingQueue`, their defaults and their bounds. */

import type { QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import type { RandomSource } from '../random.ts'
import type { TaskTypes } from './task-types.ts'

export interface QueueOptions<Types extends TaskTypes> {
  /** Several queues can live in one backend under different names. Default `default`; letters, digits, `.`, `_`, `-`. */
  readonly name?: string
  /** So many tasks at most, ready, delayed and in flight; beyond it `enqueue` refuses with QUEUE_FULL. Default: no bound. */
  readonly maxDepth?: number
  /** So many bytes of payload at most. Default: no bound. */
  readonly maxBytes?: number
  /** Default 262,144, or what the backend can carry if that is less. */
  readonly maxPayloadBytes?: number
  /** The task types and the schemas of their payloads. Default: any type, any payload. */
  readonly tasks?: Types
  /** How many tasks a second are expected to leave the queue: for `Retry-After`, until it is measured. Default: a tenth of `maxDepth`. */
  readonly expectedPerSecond?: number
  /** How long a `dedupId` is remembered. Default 300,000. */
  readonly dedupWindowMs?: number
  /**
   * Keeps what all consumers of the queue share (one rate, one limit) where the backend itself has no atomic state, such as
   * RabbitMQ and NATS: a backend URL (`sqlite:rates.db`, `redis://...`), opened under the queue's name, or a `QueueService`
   * made by hand, for this queue alone. It stores no tasks, and is closed with the queue. All processes name the same one.
   * Default: the backend itself.
   */
  readonly coordinator?: string | QueueService
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** Where ids come from. Default: the system's source. */
  readonly random?: RandomSource
}

/** What a queue tells its listeners. */
export interface QueueEvents {
  accepted: { readonly id: string; readonly type: string }
  duplicate: { readonly id: string; readonly type: string }
  refused: { readonly type: string; readonly code: string; readonly retryAfterMs: number | undefined }
}

export interface Enqueued {
  /** The task's id; for a duplicate the first one's. */
  readonly id: string
  readonly status: 'accepted' | 'duplicate'
}

export const QUEUE_DEFAULTS = { name: 'default', maxPayloadBytes: 262_144, dedupWindowMs: 300_000 } as const
