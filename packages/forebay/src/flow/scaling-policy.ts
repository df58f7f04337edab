/**
 * How many workers: as few as serve all but a given share of the tasks within their longest wait ("p99 wait <= 60 s" is a share of
 * 0.01 and 60,000 ms). The backlog floats: a task may wait until it is due, so a short burst is not worth a worker.
 *
 *     due(d)   tasks due within d: those that waited longer than W - d, and for d > W also expected(d - W, z)
 *     risk(d)  due(d) + z cv sqrt(due(d)),   cv = deviation / mean of the service times
 *     work(d)  tasks that the workers serve within d; those that are starting from when they will be ready
 *     more     max over S < d <= max(S + P, W) of   (risk(d) - work(d)) / (tasks that one worker serves in max(d - S, P / 2))
 *     fewer    as long as risk(d) <= work(d) with one less for all d <= L = max(4 (S + P), W + S + P)
 *     capped   by ceil(capacity x service time / slots): what the downstream can take
 *
 * S start-up delay, told or measured (start-up-times.ts), P time between decisions, W longest wait less a margin of P / 8 (1 + c) and a service time, for
 * what is begun is not interrupted. z = 2 + c; beyond S + 2 P, where there is
 * time to correct it, 1.5. c is the caution: 0.5; it grows to at most 3 while more than the given share has waited too long (mean over
 * about an hour), and shrinks again after. `more` is as few as there can be: it spreads what is due over all the time that is left, and
 * asks at once, for who waits already will be due; later it would take more. `fewer` looks so far that a start-up, S paid for nothing,
 * pays: that is the hysteresis.
 *
 * Regimes: W > S + P: nothing has to be foreseen, who may be late is waiting already. W <= S + P: the arrivals of S + P - W must be
 * foreseen, with z standard deviations to spare. No worker at all: only where W > S + P, after nothing came for L; else one is kept, for
 * the first task would be late. Service time unknown: one worker, to measure it. Capacity 0 (paused, breaker open): none is added;
 * a lower capacity takes workers away only after it has stood for L, for a limit that adapts goes up and down.
 *
 * Source: earliest-deadline feasibility by processor demand (S. Baruah, L. Rosier, R. Howell, 1990). Units: ms, tasks, workers.
 */

import { RecentArrivals } from './recent-arrivals.ts'
import {
  type ScalingDecision,
  type ScalingObservation,
  type ScalingOptions,
  type WholeScalingOptions,
  wholeScalingOptions,
} from './scaling-options.ts'
import { StartingWorkers } from './starting-workers.ts'

const LATE_MEMORY_MS = 3_600_000
/** So many of those that started since the last decision stand for all of them. */
const SAMPLES = 8
/** At most so many times ahead are looked at. */
const LOOKS = 128
const LEAST_CAUTION = 0.5
const MOST_CAUTION = 3
const CAUTION_STEP = 0.05
const Z_NEAR = 2
const Z_FAR = 1.5

type Wish = Pick<ScalingDecision, 'desired' | 'boundBy' | 'reason'>

export class ScalingPolicy {
  readonly #options: WholeScalingOptions
  /** S of the formula: as it was told, or as it was measured last. */
  #startUpMs: number
  readonly #isStartUpTold: boolean
  readonly #arrivals: RecentArrivals
  readonly #workers = new StartingWorkers()
  #serviceMs: number | undefined
  #seen: { readonly atMs: number; readonly backlog: number } | undefined
  #caution = LEAST_CAUTION
  /** Decaying counts of the tasks that started, and of those of them that had waited too long. */
  #started = 0
  #late = 0
  #capacities: { readonly atMs: number; readonly workers: number }[] = []

  /** @throws ForebayError `INVALID_OPTION` naming the option. */
  constructor(options: ScalingOptions) {
    const whole = wholeScalingOptions(options)
    this.#options = whole
    this.#serviceMs = options.serviceMs
    this.#startUpMs = whole.startUpMs
    this.#isStartUpTold = options.startUpMs !== undefined
    this.#arrivals = new RecentArrivals(this.#farMs + whole.waitMs)
  }

  decide(seen: ScalingObservation): ScalingDecision {
    this.#learn(seen)
    const before = this.#workers.total
    const useful = this.#useful(seen)
    const wish = this.#bounded(this.#wish(seen), useful)
    const { desired } = wish
    if (desired > before) this.#workers.add(desired - before, seen.atMs + this.#startUpMs)
    else this.#workers.remove(before - desired)
    return {
      ...wish,
      atMs: seen.atMs,
      before,
      change: desired > before ? 'up' : desired < before ? 'down' : 'hold',
      useful,
      lateShare: this.#lateShare,
      arrivalsPerSecond: this.#arrivals.perSecond,
    }
  }

  /** L of the formula. */
  get #farMs(): number {
    const { controlMs, waitMs } = this.#options
    const leadMs = this.#startUpMs + controlMs
    return Math.max(4 * leadMs, waitMs + leadMs)
  }

  get #lateShare(): number {
    return this.#started === 0 ? 0 : this.#late / this.#started
  }

  #learn(seen: ScalingObservation): void {
    const { atMs, arrived, backlog, ready } = seen
    const { controlMs, lateShare } = this.#options
    if (seen.serviceMs !== undefined && seen.serviceMs > 0) this.#serviceMs = seen.serviceMs
    if (seen.startUpMs !== undefined && !this.#isStartUpTold) {
      this.#startUpMs = seen.startUpMs
      this.#arrivals.remember(this.#farMs + this.#options.waitMs)
    }
    const last = this.#seen ?? { atMs: atMs - controlMs, backlog: 0 }
    if (arrived !== undefined) this.#arrivals.add(last.atMs, atMs, arrived)
    this.#seen = { atMs, backlog }
    this.#workers.passed(atMs)
    if (ready !== undefined) this.#workers.seen(ready, seen.starting ?? 0, atMs, controlMs / 2)
    this.#countLate(last, atMs, Math.max(0, last.backlog + (arrived ?? 0) - backlog), backlog)
    const excess = this.#lateShare / lateShare - 1
    const caution = this.#caution + CAUTION_STEP * Math.min(2, excess)
    this.#caution = Math.min(MOST_CAUTION, Math.max(LEAST_CAUTION, caution))
  }

  /** Those that started since the last look did so evenly and in order: a few of them stand for all. */
  #countLate(last: { atMs: number }, atMs: number, started: number, backlog: number): void {
    const kept = Math.exp(-Math.max(0, atMs - last.atMs) / LATE_MEMORY_MS)
    let late = 0
    for (let sample = 0.5; sample < SAMPLES; sample++) {
      const startedAt = last.atMs + ((atMs - last.atMs) * sample) / SAMPLES
      const cameAt = this.#arrivals.arrivalOf(backlog + started * (1 - sample / SAMPLES))
      if (started > 0 && cameAt !== undefined && startedAt - cameAt > this.#options.waitMs) late += started / SAMPLES
    }
    this.#started = this.#started * kept + started
    this.#late = this.#late * kept + late
  }

  #wish(seen: ScalingObservation): Wish {
    const { total } = this.#workers
    const serviceMs = this.#serviceMs
    if (serviceMs === undefined) return this.#toMeasure(seen, total)
    const { more, dueMs, due, served } = this.#more(seen, serviceMs)
    if (more > 0) {
      const reason = `${count(due, 'task')} due within ${seconds(dueMs)}, of which ${count(total, 'worker')} can serve ${Math.floor(served)}: ${more} more.`
      return { desired: total + more, boundBy: 'objective', reason }
    }
    const desired = total - this.#fewer(seen, serviceMs)
    const what = `${count(seen.backlog, 'task')} waiting, ${perSecond(this.#arrivals.perSecond)} coming`
    return { desired, boundBy: 'objective', reason: `${what}: ${this.#enough(desired, seen)}` }
  }

  #enough(desired: number, seen: ScalingObservation): string {
    const { total } = this.#workers
    if (desired === 0) return 'none is needed.'
    if (desired === 1 && this.#isQuiet(seen)) return 'one is kept, for without it the first task would be late.'
    const workers = count(desired, 'worker')
    return desired < total ? `${workers} will do for ${seconds(this.#farMs)}.` : `${workers} will do, and no fewer.`
  }

  #toMeasure({ backlog }: ScalingObservation, total: number): Wish {
    if (backlog === 0) {
      return {
        desired: total,
        boundBy: 'objective',
        reason: 'Nothing is waiting, and no service time was measured yet.',
      }
    }
    const reason = `${count(backlog, 'task')} waiting, and no service time was measured yet: one worker, to measure it.`
    return { desired: Math.max(1, total), boundBy: 'objective', reason }
  }

  /** risk(d) of the formula. */
  #due(seen: ScalingObservation, withinMs: number): number {
    const { controlMs } = this.#options
    const z = withinMs <= this.#startUpMs + 2 * controlMs ? Z_NEAR + this.#caution : Z_FAR
    const due = this.#tasksDue(seen, withinMs, z)
    const variation = (seen.serviceDeviationMs ?? 0) / (this.#serviceMs ?? 1)
    return due + z * variation * Math.sqrt(due)
  }

  #tasksDue(seen: ScalingObservation, withinMs: number, z: number): number {
    const { controlMs } = this.#options
    const waitMs = this.#options.waitMs - (controlMs / 8) * (1 + this.#caution) - (this.#serviceMs ?? 0)
    if (withinMs >= waitMs) return seen.backlog + this.#arrivals.expected(withinMs - waitMs, z)
    const longest = waitMs - withinMs
    if (seen.oldestAgeMs < longest) return 0
    return Math.max(0, seen.backlog - this.#arrivals.since(seen.atMs - longest))
  }

  #served(withinMs: number, atMs: number, serviceMs: number, fewer = 0): number {
    return (this.#workers.workMs(withinMs, atMs, fewer) * this.#options.slots) / serviceMs
  }

  #more(seen: ScalingObservation, serviceMs: number) {
    const { controlMs, slots, waitMs } = this.#options
    const startUpMs = this.#startUpMs
    const farthestMs = Math.max(startUpMs + controlMs, waitMs)
    const stepMs = Math.max(controlMs / 4, (farthestMs - startUpMs) / LOOKS)
    let most = { more: 0, dueMs: 0, due: 0, served: 0 }
    for (let dueMs = startUpMs + stepMs; dueMs <= farthestMs; dueMs += stepMs) {
      const due = this.#due(seen, dueMs)
      const served = this.#served(dueMs, seen.atMs, serviceMs)
      const ofOne = (Math.max(dueMs - startUpMs, controlMs / 2) * slots) / serviceMs
      const more = Math.ceil((due - served) / ofOne)
      if (more > most.more) most = { more, dueMs, due, served }
    }
    return most
  }

  #fewer(seen: ScalingObservation, serviceMs: number): number {
    const { controlMs, waitMs, min } = this.#options
    const { total } = this.#workers
    const stepMs = Math.max(controlMs / 2, this.#farMs / LOOKS)
    const ahead: { withinMs: number; due: number }[] = []
    for (let withinMs = stepMs; withinMs <= this.#farMs; withinMs += stepMs) {
      ahead.push({ withinMs, due: this.#due(seen, withinMs) })
    }
    const suffice = (fewer: number): boolean =>
      fewer === total
        ? this.#isQuiet(seen) && waitMs > this.#startUpMs + controlMs
        : ahead.every(({ withinMs, due }) => due <= this.#served(withinMs, seen.atMs, serviceMs, fewer))
    let fewer = 0
    while (fewer < total - min && suffice(fewer + 1)) fewer++
    return fewer
  }

  /** Nothing waits, and nothing came for long. */
  #isQuiet({ backlog, atMs }: ScalingObservation): boolean {
    return backlog === 0 && this.#arrivals.since(atMs - this.#farMs) === 0
  }

  /** The most workers that the downstream can use: now, and the most of late. */
  #useful({ atMs, capacityPerSecond = Number.POSITIVE_INFINITY }: ScalingObservation): number {
    const { slots } = this.#options
    const workers =
      capacityPerSecond === Number.POSITIVE_INFINITY || this.#serviceMs === undefined
        ? Number.POSITIVE_INFINITY
        : Math.ceil((capacityPerSecond * this.#serviceMs) / 1_000 / slots)
    this.#capacities = this.#capacities.filter((seen) => seen.atMs > atMs - this.#farMs)
    this.#capacities.push({ atMs, workers })
    return workers
  }

  #bounded(wish: Wish, useful: number): Wish {
    const { min, max } = this.#options
    const ofLate = Math.max(...this.#capacities.map(({ workers }) => workers))
    const most = Math.max(useful, Math.min(this.#workers.total, ofLate))
    if (wish.desired > Math.max(min, Math.min(most, max))) {
      if (most > max) return { desired: max, boundBy: 'max', reason: `${wish.reason} The maximum is ${max}.` }
      const desired = Math.max(min, most)
      const reason = `${wish.reason} The downstream can use ${useful} at present: ${count(desired, 'worker')}, for more would only wait for it.`
      return { desired, boundBy: 'capacity', reason }
    }
    if (wish.desired < min) return { desired: min, boundBy: 'min', reason: `${wish.reason} The minimum is ${min}.` }
    return wish
  }
}

function count(number: number, noun: string): string {
  const whole = Math.ceil(number)
  return `${whole} ${noun}${whole === 1 ? '' : 's'}`
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`
const perSecond = (rate: number) => `${rate >= 10 ? Math.round(rate) : Math.round(rate * 100) / 100}/s`
