/**
 * How many workers: as few as serve all but a given share of the tasks within their longest wait ("p99 wait <= 60 s" is a share of
 * 0.01 and 60,000 ms). The backlog floats: a task may wait until it is due, so a short burst is not worth a worker.
 *
 *     due(d)   tasks due within d ms: those that waited longer than W - d, and for d > W also expected(d - W, z)
 *     work(d)  tasks that the workers serve within d ms, those that are starting counted from when they will be ready
 *     more     max over S < d <= S + P of   (due(d) - work(d)) / (tasks a worker serves in max(d - S, P / 2))
 *     fewer    as long as due(d) <= work(d) with one less, for all d <= L = max(4 (S + P), W + S + P), with z = 1.5
 *     capped   by ceil(capacity x service time / slots): what the downstream can take
 *
 * S: start-up delay, P: time between decisions, W: longest wait less a margin of P / 8 (1 + c). `more` looks only as far as the next
 * decision cannot help any more: whoever is due later can be served by workers that are asked for later. `fewer` looks so far that
 * a start-up, S paid for nothing, pays: that is the hysteresis. z = 2 + c, where c is the caution: 0.5, and it grows, to 3 at most,
 * while more than the given share has waited too long (mean over about an hour), and shrinks again after.
 *
 * Regimes: W > S + P: nothing has to be foreseen, who is to be late is already waiting. W <= S + P: the arrivals of S + P - W must be
 * foreseen, with z standard deviations to spare. None: only where W > S + P, after nothing came for L; else one is kept, for the
 * first task would be late. Service time unknown: one worker, to measure it. Capacity 0 (paused, breaker open): none is added;
 * a lower capacity takes workers away only after it has stood for L, for a limit that adapts goes up and down.
 *
 * Source: earliest-deadline feasibility by processor demand (S. Baruah, L. Rosier, R. Howell, 1990). Units: ms, tasks, workers.
 */

import { ForebayError } from '../errors.ts'
import { RecentArrivals } from './recent-arrivals.ts'
import { StartingWorkers } from './starting-workers.ts'

export interface ScalingOptions {
  /** The longest wait that is still in time, ms. */
  readonly waitMs: number
  /** The share of tasks that may wait longer: 0.01 for a p99. Default 0.01. */
  readonly lateShare?: number
  /** From asking for a worker until it takes tasks, ms. Default 5,000. */
  readonly startUpMs?: number
  /** Time between decisions, ms. Default 15,000. */
  readonly controlMs?: number
  /** Tasks that one worker runs at once. Default 1. */
  readonly slots?: number
  /** Never fewer workers. Default 0. */
  readonly min?: number
  /** Never more workers. Default 100. */
  readonly max?: number
  /** Expected until it is measured, ms. */
  readonly serviceMs?: number
}

export interface ScalingObservation {
  /** Monotonic, ms. */
  readonly atMs: number
  /** Tasks that came since the decision before. */
  readonly arrived: number
  /** Tasks that wait. */
  readonly backlog: number
  /** How long the oldest of them has waited, ms. */
  readonly oldestAgeMs: number
  /** Workers that take tasks; undefined: not seen, so it is taken that what was asked for is there after its start-up. */
  readonly ready?: number
  /** Workers asked for that do not take tasks yet. */
  readonly starting?: number
  /** Mean service time of a task, ms; undefined: none was measured. */
  readonly serviceMs?: number | undefined
  /** What the downstream can take, starts per second; undefined or Infinity: nothing is known to bound it. */
  readonly capacityPerSecond?: number | undefined
}

export type ScalingBound = 'objective' | 'capacity' | 'max' | 'min'

export interface ScalingDecision {
  readonly atMs: number
  readonly desired: number
  readonly before: number
  readonly change: 'up' | 'down' | 'hold'
  /** What decided: the wait, the downstream's capacity, or one of the two bounds. */
  readonly boundBy: ScalingBound
  /** Why, in a sentence. */
  readonly reason: string
  /** More than this the downstream cannot use; Infinity: not known. */
  readonly useful: number
  /** Measured, over about the last hour. */
  readonly lateShare: number
  readonly arrivalsPerSecond: number
}

const LATE_MEMORY_MS = 3_600_000
const SAMPLES = 8
const LOOKS = 4
const LEAST_CAUTION = 0.5
const MOST_CAUTION = 3
const CAUTION_STEP = 0.05
const Z_UP = 2
const Z_DOWN = 1.5

type Wish = Pick<ScalingDecision, 'desired' | 'boundBy' | 'reason'>

export class ScalingPolicy {
  readonly #options: Required<Omit<ScalingOptions, 'serviceMs'>>
  /** L of the formula. */
  readonly #farMs: number
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
    const whole = { lateShare: 0.01, startUpMs: 5_000, controlMs: 15_000, slots: 1, min: 0, max: 100, ...options }
    checkOptions(whole)
    this.#options = whole
    this.#serviceMs = options.serviceMs
    const leadMs = whole.startUpMs + whole.controlMs
    this.#farMs = Math.max(4 * leadMs, whole.waitMs + leadMs)
    this.#arrivals = new RecentArrivals(this.#farMs + whole.waitMs)
  }

  decide(seen: ScalingObservation): ScalingDecision {
    this.#learn(seen)
    const before = this.#workers.total
    const useful = this.#useful(seen)
    const wish = this.#bounded(this.#wish(seen), useful, seen.atMs)
    const { desired } = wish
    if (desired > before) this.#workers.add(desired - before, seen.atMs + this.#options.startUpMs)
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

  get #lateShare(): number {
    return this.#started === 0 ? 0 : this.#late / this.#started
  }

  #learn(seen: ScalingObservation): void {
    const { atMs, arrived, backlog, ready } = seen
    const { controlMs, lateShare } = this.#options
    if (seen.serviceMs !== undefined && seen.serviceMs > 0) this.#serviceMs = seen.serviceMs
    const last = this.#seen ?? { atMs: atMs - controlMs, backlog: 0 }
    this.#arrivals.add(last.atMs, atMs, arrived)
    this.#seen = { atMs, backlog }
    this.#workers.passed(atMs)
    if (ready !== undefined) this.#workers.seen(ready, seen.starting ?? 0, atMs, controlMs / 2)
    this.#countLate(last, atMs, Math.max(0, last.backlog + arrived - backlog), backlog)
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
    if (this.#serviceMs === undefined) return this.#toMeasure(seen, total)
    const { more, dueMs, due, served } = this.#more(seen, this.#serviceMs)
    if (more > 0) {
      const reason = `${count(due, 'task')} due within ${seconds(dueMs)}, ${count(total, 'worker')} serve ${Math.floor(served)} by then: ${more} more.`
      return { desired: total + more, boundBy: 'objective', reason }
    }
    const fewer = this.#fewer(seen, this.#serviceMs)
    const what = `${count(seen.backlog, 'task')} waiting, ${perSecond(this.#arrivals.perSecond)} coming`
    if (fewer === 0) {
      return { desired: total, boundBy: 'objective', reason: `${what}: ${count(total, 'worker')} will do, and no fewer.` }
    }
    const left = count(total - fewer, 'worker')
    return { desired: total - fewer, boundBy: 'objective', reason: `${what}: ${left} will do for ${seconds(this.#farMs)}.` }
  }

  #toMeasure({ backlog }: ScalingObservation, total: number): Wish {
    if (backlog === 0) return { desired: total, boundBy: 'objective', reason: 'Nothing is waiting, and nothing was measured yet.' }
    const reason = `${count(backlog, 'task')} waiting, and no service time was measured yet: one worker, to measure it.`
    return { desired: Math.max(1, total), boundBy: 'objective', reason }
  }

  #due(seen: ScalingObservation, withinMs: number, z: number): number {
    const waitMs = this.#options.waitMs - (this.#options.controlMs / 8) * (1 + this.#caution)
    if (withinMs >= waitMs) return seen.backlog + this.#arrivals.expected(withinMs - waitMs, z)
    const longest = waitMs - withinMs
    if (seen.oldestAgeMs < longest) return 0
    return Math.max(0, seen.backlog - this.#arrivals.since(seen.atMs - longest))
  }

  #served(withinMs: number, atMs: number, serviceMs: number, fewer = 0): number {
    return (this.#workers.workMs(withinMs, atMs, fewer) * this.#options.slots) / serviceMs
  }

  #more(seen: ScalingObservation, serviceMs: number) {
    const { startUpMs, controlMs, slots } = this.#options
    let most = { more: 0, dueMs: 0, due: 0, served: 0 }
    for (let look = 1; look <= LOOKS; look++) {
      const dueMs = startUpMs + (controlMs * look) / LOOKS
      const due = this.#due(seen, dueMs, Z_UP + this.#caution)
      const served = this.#served(dueMs, seen.atMs, serviceMs)
      const ofOne = (Math.max(dueMs - startUpMs, controlMs / 2) * slots) / serviceMs
      const more = Math.ceil((due - served) / ofOne)
      if (more > most.more) most = { more, dueMs, due, served }
    }
    return most
  }

  #fewer(seen: ScalingObservation, serviceMs: number): number {
    const { controlMs, waitMs, startUpMs, min } = this.#options
    const nearMs = startUpMs + 2 * controlMs
    const { total } = this.#workers
    const suffice = (fewer: number): boolean => {
      if (fewer === total) return this.#isQuiet(seen) && waitMs > startUpMs + controlMs
      for (let withinMs = controlMs / 2; withinMs <= this.#farMs; withinMs += controlMs / 2) {
        const z = withinMs <= nearMs ? Z_UP + this.#caution : Z_DOWN
        if (this.#due(seen, withinMs, z) > this.#served(withinMs, seen.atMs, serviceMs, fewer)) return false
      }
      return true
    }
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

  #bounded(wish: Wish, useful: number, atMs: number): Wish {
    const { min, max } = this.#options
    const { total } = this.#workers
    const ofLate = Math.max(...this.#capacities.map(({ workers }) => workers))
    const most = Math.min(Math.max(useful, Math.min(total, ofLate)), Number.POSITIVE_INFINITY)
    let { desired, boundBy, reason } = wish
    if (desired > most) {
      desired = most
      boundBy = 'capacity'
      reason = `${wish.reason} The downstream can use ${useful} at present, so ${desired} it is: more would only wait for it.`
    }
    if (desired > max) [desired, boundBy, reason] = [max, 'max', `${wish.reason} The maximum is ${max}.`]
    if (desired < min) [desired, boundBy, reason] = [min, 'min', `${wish.reason} The minimum is ${min}.`]
    return { desired, boundBy, reason }
  }
}

function checkOptions(options: Required<Omit<ScalingOptions, 'serviceMs'>> & Pick<ScalingOptions, 'serviceMs'>): void {
  const refuse = (name: string, rule: string, value: unknown) => {
    throw new ForebayError('INVALID_OPTION', `${name}: must be ${rule}, and is ${value}.`, { path: name })
  }
  for (const name of ['waitMs', 'controlMs', 'slots', 'serviceMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY)) refuse(name, 'above 0', value)
  }
  const { lateShare, startUpMs, min, max } = options
  if (!(lateShare > 0 && lateShare < 1)) refuse('lateShare', 'between 0 and 1', lateShare)
  if (!(startUpMs >= 0 && startUpMs < Number.POSITIVE_INFINITY)) refuse('startUpMs', 'at least 0', startUpMs)
  if (!(Number.isSafeInteger(min) && min >= 0)) refuse('min', 'a whole number of at least 0', min)
  if (!(Number.isSafeInteger(max) && max >= Math.max(1, min))) refuse('max', `a whole number of at least ${Math.max(1, min)}`, max)
}

function count(number: number, noun: string): string {
  const whole = Math.ceil(number)
  return `${whole} ${noun}${whole === 1 ? '' : 's'}`
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`
const perSecond = (rate: number) => `${rate >= 10 ? Math.round(rate) : Math.round(rate * 100) / 100}/s`
