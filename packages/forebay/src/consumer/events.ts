/** What a `LeveledConsumer` tells its listeners. */

import type { StoredTask } from '../backends/queue-service.ts'
import type { ForebayError } from '../errors.ts'
import type { BreakerState } from '../flow/breaker.ts'
import type { DeadReason, FailedAttempt } from '../task.ts'
import type { LimitEvent } from './concurrency.ts'
import type { ScheduleEvent } from './schedule.ts'

export type ConsumerState = 'stopped' | 'running' | 'paused' | 'stopping'

/** Tasks are as the backend stores them: `payload` is JSON text. */
export interface ConsumerEvents {
  /**
   * An attempt begins. `waitedMs`: from when the task was due to its claim, by the engine's clock. `heldMs`: from then on, until it had a
   * permit and a slot.
   */
  started: { readonly task: StoredTask; readonly waitedMs: number; readonly heldMs: number }
  /** Each of these is emitted when the outcome is durable. `durationMs`: of the attempt. */
  completed: { readonly task: StoredTask; readonly durationMs: number; readonly result: unknown }
  retried: {
    readonly task: StoredTask
    readonly durationMs: number
    readonly delayMs: number
    readonly failure: FailedAttempt
  }
  dead: {
    readonly task: StoredTask
    readonly durationMs: number
    readonly reason: DeadReason
    readonly failure: FailedAttempt
  }
  released: { readonly task: StoredTask; readonly delayMs: number }
  expired: { readonly task: StoredTask }
  /** Somebody else has the task now, or will; its signal was aborted and its outcome was not stored. */
  leaseLost: { readonly task: StoredTask }
  /** The downstream asked for quiet: nothing starts for `delayMs`. */
  held: { readonly delayMs: number }
  /** The limit on attempts at once changed, and why. */
  limit: LimitEvent
  /** Limits of the schedule took force: at a tick, and at the start. */
  schedule: ScheduleEvent
  /** The circuit breaker changed its state. */
  breaker: { readonly state: BreakerState; readonly reason: string }
  /** The backend could not be asked; the consumer goes on trying, next in `retryInMs`. */
  error: { readonly error: ForebayError; readonly retryInMs: number }
  state: { readonly state: ConsumerState }
}
