/** What the doctor knows of one queue: numbers that were read, undefined where the target cannot tell. */

import type { DeadReason, FailedAttempt } from '../task.ts'

export interface QueueSnapshot {
  readonly name: string
  /** How long the rates were watched, milliseconds. */
  readonly watchedMs: number
  readonly depth: DepthSeen
  /** At the beginning of the watch. */
  readonly depthBefore: DepthSeen
  /** Per second over the watch. */
  readonly flow: FlowSeen
  readonly consumer: ConsumerSeen | undefined
  /** Of attempts, milliseconds. */
  readonly serviceP99Ms: number | undefined
  readonly leasesLost: number | undefined
  /** The oldest, as many as were read. */
  readonly deadLetters: readonly DeadLetterSeen[]
  /** The keys with the most tasks of late, and how many. */
  readonly keys: readonly KeySeen[]
  /** How far the target's clock is ahead of ours, and how far off that may be, milliseconds. */
  readonly clock: { readonly aheadMs: number; readonly uncertainMs: number } | undefined
}

export interface DepthSeen {
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  readonly oldestReadyAgeMs: number | undefined
}

export interface FlowSeen {
  readonly arrived: number | undefined
  /** Attempts that began. */
  readonly started: number | undefined
  /** Tasks that ended: completed, dead, expired or dropped. */
  readonly ended: number | undefined
  readonly retried: number | undefined
  readonly refused: number | undefined
}

export interface ConsumerSeen {
  readonly state: string
  /** Why nothing starts although it runs. */
  readonly standsStill: string | undefined
  /** Undefined: no limit on the rate. */
  readonly ratePerSecond: number | undefined
  /** What the flow can do now; undefined where nothing is known to bound it. */
  readonly effectivePerSecond: number | undefined
  /** What bounds it: the rate, the concurrency, a quota, ... */
  readonly boundBy: string
  readonly concurrency: number
  readonly leaseMs: number
  readonly maxDepth: number | undefined
}

export interface DeadLetterSeen {
  readonly id: string
  readonly type: string
  readonly key?: string
  readonly reason: DeadReason
  readonly deadAt: number
  readonly failures: readonly FailedAttempt[]
}

export interface KeySeen {
  readonly key: string
  readonly tasks: number
}
