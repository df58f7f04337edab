/** How an attempt ended, in the few words that logs and spans share. Nothing of the payload or the result is in it. */

import { ForebayError, messageOf } from '../../errors.ts'
import { TASK_BOUNDS } from '../../task.ts'
import type { HandlerReturn } from '../handler.ts'

export interface Told {
  /** `failed`: it threw, or ran out of time; the consumer's policy decides what becomes of the task. */
  readonly outcome: 'completed' | 'retried' | 'dead' | 'released' | 'failed'
  /** Of a retry or a release, ms. */
  readonly delayMs?: number
  /** A code of ours, the error's own name, or the outcome that was returned: few values, so that it can be counted by. */
  readonly errorType?: string
  /** In the handler's own words. */
  readonly reason?: string
}

export function tellReturned(returned: HandlerReturn): Told {
  switch (returned?.outcome) {
    case undefined:
    case 'complete':
      return { outcome: 'completed' }
    case 'retry':
      return { outcome: 'retried', delayMs: returned.delayMs, errorType: 'retry', reason: cut(returned.reason) }
    case 'dead':
      return { outcome: 'dead', errorType: 'dead', reason: cut(returned.reason) }
    case 'release':
      return { outcome: 'released', delayMs: returned.delayMs }
  }
}

export function tellThrown(thrown: unknown): Told {
  const errorType = thrown instanceof ForebayError ? thrown.code : thrown instanceof Error ? thrown.name : 'Error'
  return { outcome: 'failed', errorType, reason: cut(messageOf(thrown)) }
}

function cut(text: string): string {
  return text.slice(0, TASK_BOUNDS.failureMessageChars)
}
