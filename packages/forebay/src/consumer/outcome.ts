/**
 * What a handler may return: how this attempt ended. Outcomes are values, so that a reader sees them at the return and
 * nothing is thrown for control flow. `undefined` completes; a thrown error is a retry by the consumer's policy.
 */

/** The work is done. */
export interface Completed {
  readonly outcome: 'complete'
  /** Kept and found by the task's id if the consumer keeps results. Any JSON value. */
  readonly result?: unknown
}

/** It failed and shall run again after `delayMs`, if it has attempts left. */
export interface Retried {
  readonly outcome: 'retry'
  readonly delayMs: number
  readonly reason: string
}

/** It can never succeed: to the dead letters, whatever attempts are left. */
export interface Dead {
  readonly outcome: 'dead'
  readonly reason: string
}

/** It did not run: back to the queue after `delayMs`, and the attempt does not count. */
export interface Released {
  readonly outcome: 'release'
  readonly delayMs: number
  /** Start nothing else for `delayMs` either: the downstream asked for quiet. */
  readonly holdStarts: boolean
}

export type Outcome = Completed | Retried | Dead | Released

/** The work is done; `result` is kept if the consumer's `keepResultsMs` says so. */
export function complete(result?: unknown): Completed {
  return result === undefined ? { outcome: 'complete' } : { outcome: 'complete', result }
}

/** Run it again in `delayMs`; counts as an attempt. */
export function retryIn(delayMs: number, reason = 'the handler asked for a retry'): Retried {
  return { outcome: 'retry', delayMs, reason }
}

/** Give it up: to the dead letters, with this reason. */
export function dead(reason: string): Dead {
  return { outcome: 'dead', reason }
}

/** Put it back unharmed; not an attempt. `holdStarts` also keeps everything else from starting for that long. */
export function release(delayMs = 0, options: { readonly holdStarts?: boolean } = {}): Released {
  return { outcome: 'release', delayMs, holdStarts: options.holdStarts ?? false }
}
