/**
 * The figures of a replay: pure, from what was offered and what arrived at the downstream.
 *
 * `ReplayFigures` is what `forebay replay --json` prints, and stable. All times are real milliseconds (after the speed),
 * all rates are per real second. What could not be measured is `null`.
 *
 * Each offered request ends in exactly one way: `offered = completed + refused + failed + dead + lost`.
 */

import { fluidBound } from '../planner/fluid.ts'
import { backlogOf, outputWhileBacklogged } from './backlog.ts'
import { mean, percentile } from '../planner/statistics.ts'

/** How the door ended a request: 2xx; 429, or 503 with `Retry-After`; anything else, or no answer. */
export type DoorEnd = 'accepted' | 'refused' | 'failed'

/** One request as it reached the downstream; a retried one arrives more than once. */
export interface Arrival {
  /** Which of the offered requests it is, from 0. */
  readonly index: number
  /** Milliseconds since the replay's start. */
  readonly atMs: number
  /** Whether the downstream answered it with 2xx. */
  readonly served: boolean
}

export interface ReplayRecord {
  /** The rate of the queue, per second; undefined if there is none. */
  readonly rate: number | undefined
  /** From the start until the last request had ended. */
  readonly durationMs: number
  /** When each request was due at the producer, milliseconds since the start, never falling. */
  readonly dueMs: ArrayLike<number>
  /** How the door ended each, in the same order. */
  readonly door: readonly DoorEnd[]
  /** Whether a request that the door accepted is thereby done (a replay straight at a target), or goes on into a queue. */
  readonly doorCompletes: boolean
  /** At the downstream, in any order; undefined if nobody there could be asked. */
  readonly arrivals: readonly Arrival[] | undefined
  /** Accepted requests that ended as dead letters, and those still queued when the replay gave up. */
  readonly dead: number
  readonly stillQueued: number
  /** How many the queue itself says it completed, for when nobody at the downstream could be asked. */
  readonly completedByCount?: number
}

export interface WaitFigures {
  readonly mean: number | null
  readonly p50: number | null
  readonly p99: number | null
  readonly max: number | null
}

export interface ReplayFigures {
  /** Requests in the trace; all of them are offered when they are due, whatever became of those before. */
  readonly offered: number
  /** Answered with 2xx by the door: by a queue, they were stored; by a target, they were served. */
  readonly accepted: number
  /** Answered with 429, or 503 with `Retry-After`, by the door, the last time that they were sent. */
  readonly refused: number
  /** Answered with 2xx by the downstream (by a target: in time). */
  readonly completed: number
  /** Ended otherwise: another status, no answer in time, no connection, or still queued when the replay gave up. */
  readonly failed: number
  readonly dead: number
  /** Accepted, and yet in none of the other places. */
  readonly lost: number
  readonly durationMs: number
  /** The rate of the queue; for a target the rate to which the fluid bound belongs; null if none is given. */
  readonly rate: number | null
  /** Due times. `peakPerSecond`: the most in one of the seconds counted from the start. The mean is over the time to the last. */
  readonly input: { readonly peakPerSecond: number; readonly meanPerSecond: number }
  /** Arrivals at the downstream, each attempt counted. For the mean see `outputWhileBacklogged`; null if no backlog stood. */
  readonly output: { readonly peakPerSecond: number | null; readonly meanPerSecondWhileBacklogged: number | null }
  /** The most arrivals at the downstream in any half-open window of that length, wherever it begins. */
  readonly maxStarts: { readonly in1s: number | null; readonly in100ms: number | null }
  /** The most accepted requests that were due and had not arrived, and the peak backlog of the fluid bound, rounded down. */
  readonly depth: { readonly peak: number | null; readonly fluidPeak: number | null }
  /** From due at the producer to the first arrival at the downstream, for each request that was accepted and arrived. */
  readonly waitMs: WaitFigures
  /** The fluid bound of the whole trace at this rate: the least waits that any queue could give. */
  readonly fluidWaitMs: WaitFigures
}

export function figuresOf(record: ReplayRecord): ReplayFigures {
  const { dueMs, arrivals } = record
  const first = arrivals && firstArrivals(arrivals)
  const times = arrivals?.map(({ atMs }) => atMs).sort((a, b) => a - b)
  const accepted = record.door.flatMap((end, index) => (end === 'accepted' ? [index] : []))
  const backlog = first && backlogOf(dueMs, accepted, first)
  const bound = record.rate === undefined ? undefined : fluidBound(dueMs, record.rate)
  const lastDue = dueMs.length > 0 ? (dueMs[dueMs.length - 1] as number) : 0
  return {
    ...endsOf(record, accepted.length),
    durationMs: rounded(record.durationMs),
    rate: record.rate ?? null,
    input: {
      peakPerSecond: peakPerSecond(dueMs),
      meanPerSecond: lastDue > 0 ? rounded((dueMs.length * 1_000) / lastDue) : dueMs.length,
    },
    output: {
      peakPerSecond: times ? peakPerSecond(times) : null,
      meanPerSecondWhileBacklogged: nullable(backlog && outputWhileBacklogged(backlog, record.rate)),
    },
    maxStarts: {
      in1s: times ? mostInWindow(times, 1_000) : null,
      in100ms: times ? mostInWindow(times, 100) : null,
    },
    depth: {
      peak: backlog ? backlog.reduce((peak, step) => Math.max(peak, step.depth), 0) : null,
      fluidPeak: bound ? Math.floor(bound.peakBacklog) : null,
    },
    waitMs: waitFigures(first ? waitsOf(dueMs, accepted, first) : []),
    fluidWaitMs: waitFigures(bound?.waitsMs ?? []),
  }
}

type Ends = Pick<ReplayFigures, 'offered' | 'accepted' | 'refused' | 'completed' | 'failed' | 'dead' | 'lost'>

/** Sorts each offered request into the one way in which it ended. */
function endsOf(record: ReplayRecord, accepted: number): Ends {
  const served = new Set(record.arrivals?.filter((arrival) => arrival.served).map(({ index }) => index))
  let completed = 0
  let refused = 0
  let failedAtDoor = 0
  record.door.forEach((end, index) => {
    // Served counts whatever the door said: an acknowledgement whose answer got lost is still done.
    if (record.doorCompletes ? end === 'accepted' : served.has(index)) completed += 1
    else if (end === 'refused') refused += 1
    else if (end === 'failed') failedAtDoor += 1
  })
  if (record.completedByCount !== undefined) completed = Math.min(accepted, record.completedByCount)
  const offered = record.door.length
  const failed = failedAtDoor + record.stillQueued
  const lost = Math.max(0, offered - completed - refused - failed - record.dead)
  return { offered, accepted, refused, completed, failed, dead: record.dead, lost }
}

/** When each request first arrived, by its index. */
export function firstArrivals(arrivals: readonly Arrival[]): Map<number, number> {
  const first = new Map<number, number>()
  for (const { index, atMs } of arrivals) {
    const known = first.get(index)
    if (known === undefined || atMs < known) first.set(index, atMs)
  }
  return first
}

function waitsOf(dueMs: ArrayLike<number>, accepted: readonly number[], first: ReadonlyMap<number, number>): number[] {
  const waits: number[] = []
  for (const index of accepted) {
    const at = first.get(index)
    // Two processes' clocks differ by up to a millisecond, so an immediate arrival may seem early.
    if (at !== undefined) waits.push(Math.max(0, at - (dueMs[index] as number)))
  }
  return waits
}

function waitFigures(waits: ArrayLike<number>): WaitFigures {
  const sorted = Float64Array.from(waits).sort()
  return {
    mean: nullable(mean(sorted)),
    p50: nullable(percentile(sorted, 0.5)),
    p99: nullable(percentile(sorted, 0.99)),
    max: nullable(percentile(sorted, 1)),
  }
}

/** How many fall into each second, counted from 0. */
function peakPerSecond(timesMs: ArrayLike<number>): number {
  const perSecond = new Map<number, number>()
  let peak = 0
  for (let index = 0; index < timesMs.length; index++) {
    const second = Math.floor((timesMs[index] as number) / 1_000)
    const count = (perSecond.get(second) ?? 0) + 1
    perSecond.set(second, count)
    peak = Math.max(peak, count)
  }
  return peak
}

/** The most in any half-open window `[t, t + windowMs)`. @param sortedMs Ascending. */
export function mostInWindow(sortedMs: ArrayLike<number>, windowMs: number): number {
  let most = 0
  let from = 0
  for (let to = 0; to < sortedMs.length; to++) {
    while ((sortedMs[to] as number) - (sortedMs[from] as number) >= windowMs) from += 1
    most = Math.max(most, to - from + 1)
  }
  return most
}

function nullable(value: number | undefined): number | null {
  return value === undefined ? null : rounded(value)
}

/** Thousandths are finer than anything that is measured here. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
