/** The options of a `LeveledConsumer`, their defaults and their bounds. */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { BreakerSettings } from '../flow/breaker.ts'
import type { FlowLimit, FlowSettings } from '../flow/flow-limits.ts'
import type { RandomSource } from '../random.ts'
import type { LearningConcurrency } from './concurrency.ts'

/** One limit on the flow. The rate is given in one of three units: above 0, at most 50,000 a second where tasks are counted. */
export interface RateLimit {
  readonly perSecond?: number
  readonly perMinute?: number
  readonly perHour?: number
  /** How many of what it counts may go at once after a rest, beyond the first: default 0, the flow is level. */
  readonly burst?: number
  /** `tasks`: each start is one. `cost`: each is what its task costs, such as tokens. Default `tasks`. */
  readonly counts?: 'tasks' | 'cost'
}

export interface RateOptions extends RateLimit {
  /** Further limits, which all hold together with this one. Default: none. */
  readonly also?: readonly RateLimit[]
  /** After idleness, a pause or a hold the rate climbs to `perSecond` over this many milliseconds. Default 500. 0: at once. */
  readonly rampMs?: number
  /**
   * `queue`: all consumers of the queue keep this rate together, in however many processes: it is the downstream that has the
   * limit. `process`: this consumer keeps it alone, and two consumers start twice as much. Default `queue`. Fixed at the start.
   */
  readonly scope?: 'queue' | 'process'
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
  /**
   * How many tasks run at once in this consumer: a number, at most 10,000, or `adaptive({ min, max })` or `aimd({ min, max })`,
   * which find it. Default 1.
   */
  readonly concurrency?: number | LearningConcurrency
  readonly retry?: RetryOptions
  /** An attempt's time, ms: then its signal aborts and it counts as failed. Default 30,000. */
  readonly timeoutMs?: number
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

export interface ConsumerOptions extends ConsumerLimits {
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
  /** How the concurrency is found; undefined where it is fixed. */
  readonly learning: LearningConcurrency | undefined
  readonly maxAttempts: number
  readonly backoff: { readonly baseMs: number; readonly capMs: number }
  readonly timeoutMs: number
}

export const DEFAULT_LIMITS: Limits = {
  perSecond: Number.POSITIVE_INFINITY,
  flow: { limits: [{ perSecond: Number.POSITIVE_INFINITY, burst: 0, counts: 'tasks' }], rampMs: 500 },
  concurrency: 1,
  learning: undefined,
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
  const { rate, concurrency, retry, timeoutMs } = wish
  const flow = rate === null ? DEFAULT_LIMITS.flow : rate ? withRate(current.flow, rate) : current.flow
  const next: Limits = {
    perSecond: (flow.limits[0] as FlowLimit).perSecond,
    flow,
    ...(concurrency === undefined
      ? { concurrency: current.concurrency, learning: current.learning }
      : spelledOut(concurrency)),
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

/** What a wish names replaces what stands; limits that are the same stay the same object, so that nothing begins anew. */
function withRate(current: FlowSettings, wish: RateOptions): FlowSettings {
  const rampMs = wish.rampMs ?? current.rampMs
  between('rate.rampMs', rampMs, 0, 3_600_000)
  const [first, ...others] = current.limits as [FlowLimit, ...FlowLimit[]]
  const limits = [
    limitOf('rate', wish, first),
    ...(wish.also?.map((limit, index) => limitOf(`rate.also.${index}`, limit, undefined)) ?? others),
  ]
  const same = JSON.stringify(limits) === JSON.stringify(current.limits)
  return { limits: same ? current.limits : limits, rampMs }
}

const UNITS = { perSecond: 1, perMinute: 60, perHour: 3_600 } as const

function limitOf(path: string, wish: RateLimit, current: FlowLimit | undefined): FlowLimit {
  const counts = wish.counts ?? current?.counts ?? 'tasks'
  if (counts !== 'tasks' && counts !== 'cost') {
    throw new ForebayError('INVALID_OPTION', `${path}.counts is "tasks" or "cost", not ${String(counts)}.`, {
      path: `${path}.counts`,
    })
  }
  const burst = wish.burst ?? current?.burst ?? 0
  between(`${path}.burst`, burst, 0, MOST_PER_SECOND[counts])
  return { perSecond: perSecondOf(path, wish, counts) ?? current?.perSecond ?? unnamed(path), burst, counts }
}

function perSecondOf(path: string, wish: RateLimit, counts: FlowLimit['counts']): number | undefined {
  const named = Object.keys(UNITS).filter((unit) => wish[unit as keyof typeof UNITS] !== undefined)
  const [unit] = named as (keyof typeof UNITS)[]
  if (unit === undefined) return undefined
  if (named.length > 1) {
    const message = `${path} names ${named.join(' and ')}; it is one of them. A second limit stands in rate.also.`
    throw new ForebayError('INVALID_OPTION', message, { path })
  }
  between(`${path}.${unit}`, wish[unit], Number.MIN_VALUE, MOST_PER_SECOND[counts] * UNITS[unit])
  return (wish[unit] as number) / UNITS[unit]
}

function unnamed(path: string): never {
  throw new ForebayError('INVALID_OPTION', `${path} names no rate: perSecond, perMinute or perHour.`, { path })
}

const MOST_PER_SECOND = { tasks: 50_000, cost: 1_000_000_000 } as const

function spelledOut(concurrency: number | LearningConcurrency): Pick<Limits, 'concurrency' | 'learning'> {
  return typeof concurrency === 'number'
    ? { concurrency, learning: undefined }
    : { concurrency: concurrency.max, learning: concurrency }
}

function checkLearning({ kind, min = 1, max, initial = min }: LearningConcurrency): void {
  if (kind !== 'aimd' && kind !== 'adaptive') {
    const message = 'concurrency is a number, aimd({ min, max }) or adaptive({ min, max }).'
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

/** A week: a longer attempt or backoff is a mistake in the unit. */
const LONGEST_MS = 7 * 24 * 3_600_000

/** @throws ForebayError INVALID_OPTION. */
export function between(path: string, value: unknown, least: number, most: number): void {
  if (typeof value === 'number' && value >= least && value <= most) return
  const bounds = least === Number.MIN_VALUE ? `above 0 and at most ${most}` : `from ${least} to ${most}`
  throw new ForebayError('INVALID_OPTION', `${path} is a number ${bounds}, not ${String(value)}.`, { path })
}

function whole(path: string, value: number, least: number, most: number): void {
  between(path, value, least, most)
  if (!Number.isInteger(value))
    throw new ForebayError('INVALID_OPTION', `${path} is a whole number, not ${value}.`, { path })
}
