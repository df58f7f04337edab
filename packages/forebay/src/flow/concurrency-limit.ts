/** What limits on concurrency have in common: samples go in, a limit and the reason of each change come out. Times in ms. */

/** One attempt that ended. */
export interface AttemptSample {
  /** When it began and ended, by a monotonic clock; the same `startedAt` that `started` was told. */
  readonly startedAt: number
  readonly at: number
  /**
   * `failed`: it says something against the downstream. `refused`: the downstream asked for less (429, 503).
   * `unknown`: it says nothing, such as one that was given back.
   */
  readonly result: 'ok' | 'failed' | 'refused' | 'unknown'
  /** How many ran just before it ended, itself included. */
  readonly inFlight: number
  /** How long it took, where that is not the time from `startedAt` to `at`. */
  readonly latencyMs?: number
  /** Of one that was refused: for how long the downstream asked for quiet. Default: it did not say. */
  readonly quietMs?: number
}

export type LimitReason =
  /** It was used up, and the latency stayed low. */
  | 'room'
  /** The latency rose above that of a downstream without a queue. */
  | 'latency'
  | 'errors'
  | 'refused'
  /** Lowered for a moment, to measure the latency without a queue; and raised again. */
  | 'probe'
  | 'probed'
  /** Somebody set it. */
  | 'settings'

export interface LimitChange {
  readonly limit: number
  readonly previous: number
  readonly reason: LimitReason
}

export interface LimitBounds {
  /** Whole numbers, 1 <= min <= max. */
  readonly min: number
  readonly max: number
}

export interface ConcurrencyLimit {
  /** How many may run at once: a whole number within the bounds. */
  readonly limit: number
  /** Nothing more may start before this time; -Infinity: at once. */
  readonly nextStartAt: number
  /** How many may start until then, as far as a pace bounds them; Infinity where none does. */
  startsUntil(until: number, now: number): number
  /** The starts per second that a quota was found to allow; Infinity where none is known. */
  pacePerSecond(now: number): number
  started(at: number): void
  ended(sample: AttemptSample): LimitChange | undefined
}
