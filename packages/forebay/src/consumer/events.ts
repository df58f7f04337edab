/** What a `LeveledConsumer` tells its listeners. */

import type { ForebayError } from '../errors.ts'
import type { DeadReason, FailedAttempt, Task } from '../task.ts'

export type ConsumerState = 'stopped' | 'running' | 'paused' | 'stopping'

export interface ConsumerEvents<T extends Task = Task> {
  /** An attempt begins. `waitedMs`: since the task was due, by the engine's clock. */
  started: { readonly task: T; readonly waitedMs: number }
  /** Each of these is emitted when the outcome is durable. `durationMs`: of the attempt. */
  completed: { readonly task: T; readonly durationMs: number; readonly result: unknown }
  retried: { readonly task: T; readonly durationMs: number; readonly delayMs: number; readonly failure: FailedAttempt }
  dead: { readonly task: T; readonly durationMs: number; readonly reason: DeadReason; readonly failure: FailedAttempt }
  released: { readonly task: T; readonly delayMs: number }
  expired: { readonly task: T }
  /** Somebody else has the task now, or will; its signal was aborted and its outcome was not stored. */
  leaseLost: { readonly task: T }
  /** The downstream asked for quiet: nothing starts for `delayMs`. */
  held: { readonly delayMs: number }
  /** The backend could not be asked; the consumer goes on trying, next in `retryInMs`. */
  error: { readonly error: ForebayError; readonly retryInMs: number }
  state: { readonly state: ConsumerState }
}
