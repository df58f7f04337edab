/** The options of a `LeveledConsumer`, their defaults and their bounds. */

import type { KeyLimits } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { BreakerSettings } from '../flow/breaker.ts'
import type { FlowLimit, FlowSettings } from '../flow/flow-limits.ts'
import type { RandomSource } from '../random.ts'
import type { AnyTaskTypes, TaskTypes } from '../queue/task-types.ts'
import { between, LONGEST_MS, whole } from './bounds.ts'
import type { LearningConcurrency } from './concurrency.ts'
import type { Middleware } from './middleware/compose.ts'
import type { ScheduledLimits } from './schedule.ts'
import { perSecondOf, type RateLimit, type RateOptions, withRate } from './rate-options.ts'

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
  /**
   * How many attempts run at once in this consumer: a number, at most 10,000, or `adaptive({ min, max })` or `aimd({ min, max })`,
   * which find it. `{ max, scope: 'queue' }`: in all consumers of the queue together. Default 1.
   */
  readonly concurrency?: number | LearningConcurrency | SharedConcurrency
  /**
   * Limits for each key, over all consumers of the queue; a key at its limit holds up no other. `null` takes them away. Default: none.
   * They are kept by the backend as it hands tasks out, so two starts of a key may be closer than its rate by what a task
   * waits for its own permit, a quarter of a second at most.
   */
  readonly perKey?: PerKeyOptions | null
  readonly retry?: RetryOptions
  /** An attempt's time, ms: then its signal aborts and it counts as failed. Default 30,000. */
  readonly timeoutMs?: number
}

export interface SharedConcurrency {
  /** At most 10,000. */
  readonly max: number
  /** `queue`: all consumers of the queue keep this limit together, in however many processes; `process`: this one alone. */
  readonly scope: 'queue' | 'process'
}

export interface PerKeyOptions {
  /** At most so many tasks of a key are in flight at once. */
  readonly concurrency?: number
  /** At most so many tasks of a key are handed out in that time, evenly spaced. */
  readonly rate?: Pick<RateLimit, 'perSecond' | 'perMinute' | 'perHour'>
}

/** When the consumer stops calling a downstream that fails; see flow/breaker.ts. */
export interface BreakerOptions {
  /** Opens at this share of failed calls, above 0, at most 1. Default 0.5. */
  readonly failureRate?: number
  /** Opens at this share of slow calls, above 0, at most 1. Default 1. */
  readonly slowRate?: number
  /** A call that takes this long or longer is slow, ms. Default: none is. */
  readonly slowMs?: number
  /** Fewer calls within the window decide nothing. Default 20. */
  readonly minCalls?: number
  /** Default 10,000. */
  readonly windowMs?: number
  /** The first open time, ms: at most this and at least half of it; it doubles at each opening in a row. Default 5,000. */
  readonly openMs?: number
  /** Default 60,000. */
  readonly maxOpenMs?: number
  /** So many tasks find out whether the downstream is back. Default 2. */
  readonly probes?: number
}

export interface ConsumerOptions<Types extends TaskTypes = AnyTaskTypes> extends ConsumerLimits {
  /** What stands round the handler of a task, the outermost first. Not round a batch's. Default: nothing. */
  readonly use?: readonly Middleware<Types>[]
  /** Other limits at other times; see schedule.ts. What is in force at the start depends on the time. Default: none. */
  readonly schedule?: readonly ScheduledLimits[]
  /** A circuit breaker: while it is open tasks wait in the queue and use up no attempts. Default false: none. */
  readonly breaker?: BreakerOptions | false
  /** How long a claimed task stays ours without a heartbeat, ms. Default 30,000, at least 1,000. */
  readonly leaseMs?: number
  /** Keep each completed task's result for this long, ms. Default 0: not at all. */
  readonly keepResultsMs?: number
  /** Where time comes from. Default: the queue's. */
  readonly clock?: Clock
  /** Where jitter comes from. Default: the system's source. */
  readonly random?: RandomSource
}

/** The limits with every default in its place. */
export interface Limits {
  /** Of the first limit on the rate; Infinity: no limit. */
  readonly perSecond: number
  /** All limits on the rate. */
  readonly flow: FlowSettings
  /** In force now. */
  readonly concurrency: number
  /** Whose limit the concurrency is. */
  readonly concurrencyScope: 'queue' | 'process'
  /** How the concurrency is found; undefined where it is fixed. */
  readonly learning: LearningConcurrency | undefined
  readonly perKey: KeyLimits | undefined
  readonly maxAttempts: number
  readonly backoff: { readonly baseMs: number; readonly capMs: number }
  readonly timeoutMs: number
}

export const DEFAULT_LIMITS: Limits = {
  perSecond: Number.POSITIVE_INFINITY,
  flow: { limits: [{ perSecond: Number.POSITIVE_INFINITY, burst: 0, counts: 'tasks' }], rampMs: 500 },
  concurrency: 1,
  concurrencyScope: 'process',
  learning: undefined,
  perKey: undefined,
  maxAttempts: 3,
  backoff: { baseMs: 1_000, capMs: 60_000 },
  timeoutMs: 30_000,
}

export const DEFAULT_LEASE_MS = 30_000

/**
 * Lays the wishes over the limits in force; what a wish does not name stays.
 * @throws ForebayError INVALID_OPTION, naming the option and its bounds; then nothing has changed.
 */
export function withLimits(current: Limits, wish: ConsumerLimits): Limits {
  const { rate, concurrency, perKey, retry, timeoutMs } = wish
  const flow = rate === null ? DEFAULT_LIMITS.flow : rate ? withRate(current.flow, rate) : current.flow
  const next: Limits = {
    perSecond: (flow.limits[0] as FlowLimit).perSecond,
    flow,
    ...(concurrency === undefined
      ? { concurrency: current.concurrency, concurrencyScope: current.concurrencyScope, learning: current.learning }
      : spelledOut(concurrency)),
    perKey: perKey === null ? undefined : perKey ? keyLimitsOf(perKey) : current.perKey,
    maxAttempts: retry?.maxAttempts ?? current.maxAttempts,
    backoff: { baseMs: retry?.baseMs ?? current.backoff.baseMs, capMs: retry?.capMs ?? current.backoff.capMs },
    timeoutMs: timeoutMs ?? current.timeoutMs,
  }
  if (next.learning) checkLearning(next.learning)
  else whole('concurrency', next.concurrency, 1, 10_000)
  whole('retry.maxAttempts', next.maxAttempts, 1, 1_000)
  between('retry.baseMs', next.backoff.baseMs, 0, LONGEST_MS)
  between('retry.capMs', next.backoff.capMs, 0, LONGEST_MS)
  between('timeoutMs', next.timeoutMs, 1, LONGEST_MS)
  return next
}

function spelledOut(
  concurrency: number | LearningConcurrency | SharedConcurrency,
): Pick<Limits, 'concurrency' | 'concurrencyScope' | 'learning'> {
  if (typeof concurrency === 'number') return { concurrency, concurrencyScope: 'process', learning: undefined }
  if (!('scope' in concurrency)) {
    return { concurrency: concurrency.max, concurrencyScope: 'process', learning: concurrency }
  }
  const { max, scope } = concurrency
  whole('concurrency.max', max, 1, 10_000)
  if (scope === 'queue' || scope === 'process')
    return { concurrency: max, concurrencyScope: scope, learning: undefined }
  const message = `concurrency.scope is "queue" or "process", not ${String(scope)}.`
  throw new ForebayError('INVALID_OPTION', message, { path: 'concurrency.scope' })
}

function keyLimitsOf({ concurrency, rate }: PerKeyOptions): KeyLimits {
  if (concurrency !== undefined) whole('perKey.concurrency', concurrency, 1, 10_000)
  const perSecond = rate && perSecondOf('perKey.rate', rate, 'tasks')
  return { ...(concurrency !== undefined && { concurrency }), ...(perSecond !== undefined && { perSecond }) }
}

function checkLearning({ kind, min = 1, max, initial = min }: LearningConcurrency): void {
  if (kind !== 'aimd' && kind !== 'adaptive') {
    const message = 'concurrency is a number, { max, scope }, aimd({ min, max }) or adaptive({ min, max }).'
    throw new ForebayError('INVALID_OPTION', message, { path: 'concurrency' })
  }
  whole('concurrency.max', max, 1, 10_000)
  whole('concurrency.min', min, 1, max)
  whole('concurrency.initial', initial, min, max)
}

/** @throws ForebayError INVALID_OPTION. */
export function breakerSettings(wish: BreakerOptions): BreakerSettings {
  const settings: BreakerSettings = {
    failureRate: wish.failureRate ?? 0.5,
    slowRate: wish.slowRate ?? 1,
    slowMs: wish.slowMs ?? Number.POSITIVE_INFINITY,
    minCalls: wish.minCalls ?? 20,
    windowMs: wish.windowMs ?? 10_000,
    openMs: wish.openMs ?? 5_000,
    maxOpenMs: wish.maxOpenMs ?? Math.max(60_000, wish.openMs ?? 0),
    probes: wish.probes ?? 2,
  }
  between('breaker.failureRate', settings.failureRate, Number.MIN_VALUE, 1)
  between('breaker.slowRate', settings.slowRate, Number.MIN_VALUE, 1)
  if (wish.slowMs !== undefined) between('breaker.slowMs', wish.slowMs, 1, LONGEST_MS)
  whole('breaker.minCalls', settings.minCalls, 1, 1_000_000)
  between('breaker.windowMs', settings.windowMs, 100, LONGEST_MS)
  between('breaker.openMs', settings.openMs, 1, LONGEST_MS)
  between('breaker.maxOpenMs', settings.maxOpenMs, settings.openMs, LONGEST_MS)
  whole('breaker.probes', settings.probes, 1, 1_000)
  return settings
}
