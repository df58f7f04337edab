/** The options of a `LeveledConsumer`, their defaults and their bounds. */

import { ForebayError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { RandomSource } from '../random.ts'

export interface RateOptions {
  /** Starts per second, above 0, at most 50,000. */
  readonly perSecond: number
  /** After idleness, a pause or a hold the rate climbs to `perSecond` over this many milliseconds. Default 500. 0: at once. */
  readonly rampMs?: number
}

export interface RetryOptions {
  /** Attempts in all, the first included. Default 3. */
  readonly maxAttempts?: number
  /** Full-jitter backoff: the n-th retry waits a random time up to `min(capMs, baseMs * 2^(n-1))`. Default 1,000. */
  readonly baseMs?: number
  /** Default 60,000. */
  readonly capMs?: number
}

/** What `update` may change while the consumer runs. */
export interface ConsumerLimits {
  /** Default: no limit on the rate. `null` takes a limit away. */
  readonly rate?: RateOptions | null
  /** How many tasks run at once in this consumer. Default 1, at most 10,000. */
  readonly concurrency?: number
  readonly retry?: RetryOptions
  /** An attempt's time: then its signal aborts and it counts as failed. Default 30,000. */
  readonly timeoutMs?: number
}

export interface ConsumerOptions extends ConsumerLimits {
  /** How long a claimed task stays ours without a heartbeat. Default 30,000, at least 1,000. */
  readonly leaseMs?: number
  /** Keep each completed task's result for this long. Default 0: not at all. */
  readonly keepResultsMs?: number
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** Where jitter comes from. Default: the system's source. */
  readonly random?: RandomSource
}
