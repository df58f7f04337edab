/** A message that was received, read: which task it holds, and how often that was granted. */

import type { Letter } from '../task-letter.ts'
import type { SqsMessage } from './sqs-queue.ts'

export interface Delivery {
  readonly message: SqsMessage
  readonly letter: Letter
  /** This grant included. */
  readonly attempts: number
  /** By the monotonic clock. */
  readonly arrivedAt: number
  /** When SQS gives it to others, unless it is hidden for longer, by the monotonic clock. */
  readonly visibleAt: number
}

/** SQS takes a message away from its receiver so long after it gave it out, however often it was hidden again. */
export const LONGEST_HOLD_MS = 12 * 3_600_000
