/**
 * What happens to a newcomer at the bound of a queue, as its owner chose:
 *
 *     reject                 it is refused, and told when to come again                                   queue/full-queue.ts
 *     drop-oldest            the ready task that was pushed first gives way to it                         the backend
 *     drop-lowest-priority   the last pushed of the least urgent gives way, if it is less urgent         the backend
 *     wait                   its producer waits for room, first come, first served, up to a deadline      queue/waiting-producers.ts
 *     spill                  it lies in a second queue elsewhere until there is room                      queue/spill.ts
 */

import type { Bounds, Capabilities, QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'

export interface WaitPolicy {
  readonly policy: 'wait'
  /** How long a producer waits at most, ms, above 0, at most an hour; then QUEUE_FULL. */
  readonly deadlineMs: number
}

export interface SpillPolicy {
  readonly policy: 'spill'
  /** A backend URL, or a `QueueService` made by hand, for the queue of the same name that takes what does not fit. */
  readonly to: string | QueueService
}

export type Overflow = 'reject' | 'drop-oldest' | 'drop-lowest-priority' | WaitPolicy | SpillPolicy

const LONGEST_WAIT_MS = 3_600_000

/** @throws ForebayError INVALID_OPTION. */
export function checkOverflow(overflow: Overflow, bounds: Bounds): void {
  if (!isOverflow(overflow)) {
    throw invalid(
      'overflow is "reject", "drop-oldest", "drop-lowest-priority", { policy: "wait", deadlineMs } or { policy: "spill", to }',
      'overflow',
    )
  }
  if (overflow === 'reject') return
  if (bounds.maxDepth === undefined && bounds.maxBytes === undefined) {
    throw invalid('overflow says what happens at a bound, and there is none: set maxDepth or maxBytes', 'overflow')
  }
  if (typeof overflow === 'string' || overflow.policy === 'spill') return
  const { deadlineMs } = overflow
  if (!(typeof deadlineMs === 'number' && deadlineMs > 0 && deadlineMs <= LONGEST_WAIT_MS)) {
    throw invalid(`overflow.deadlineMs is a number above 0, at most ${LONGEST_WAIT_MS}`, 'overflow.deadlineMs')
  }
}

/** @throws ForebayError UNSUPPORTED for a backend that cannot drop tasks. */
export function checkEviction(overflow: Overflow, backend: string, { eviction }: Capabilities): void {
  if (eviction || typeof overflow !== 'string' || overflow === 'reject') return
  const message = `The ${backend} backend cannot drop tasks at a bound (overflow: "${overflow}"). Choose "reject", "wait" or "spill", or a backend that can, such as sqlite.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'overflow' })
}

function isOverflow(given: unknown): given is Overflow {
  if (given === 'reject' || given === 'drop-oldest' || given === 'drop-lowest-priority') return true
  if (typeof given !== 'object' || given === null) return false
  const { policy, to } = given as { policy?: unknown; to?: unknown }
  return (
    policy === 'wait' || (policy === 'spill' && (typeof to === 'string' || (typeof to === 'object' && to !== null)))
  )
}

function invalid(sentence: string, path: string): ForebayError {
  return new ForebayError('INVALID_OPTION', `${sentence}.`, { path })
}
