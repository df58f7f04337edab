/**
 * An adaptive limit: it finds how many attempts a downstream can run at once, without being told.
 *
 * A queue's consumer is always saturated, so an average of the latency would learn congestion as its baseline, and one latency
 * can't tell a queue from a slower downstream. Therefore it asks by changing the load, and weighs the answers (knee-filter.ts).
 *
 *     cohort    as many starts as one round of the limit, 12 at least (cohort.ts); its latency, with its standard error, goes
 *               to the filter, which holds a law of probability of the knee K: below it there is no queue
 *     aim       K* + sqrt K*, the median K* of that law: a queue of sqrt K keeps the servers busy (Halfin and Whitt). If the law
 *               is wide above (Q.9 > 1.4 K*), the 0.75 quantile: more is tried; if wide below, the 0.4 quantile; if both, in turns
 *     step      L moves to the aim, at most to 2 L and at least to L / 2; up only while the limit is used (inFlight >= 0.8 L) and
 *               nothing is refused
 *     probe     L = 0.7 K* for one cohort, every 40 rounds, +- 20% of chance; twice and four times as seldom while nothing surprises;
 *               and at once, after 4 cohorts, when the latency without a queue has moved by 0.15 since the last one
 *     errors    e = (f - sqrt f) / n of n attempts, f failed;   e > min(0.5, 0.05 + 2 e0): a probe at L / 2, or else L *= max(0.5, 1 - e);
 *               e0 is the share that failed in the last probe; above half of what is tolerated L does not grow
 *
 * Regimes: at first any knee is likely, and L doubles until the latency rises in proportion; far above the knee the law is wide
 * below and L halves until the latency stays; at it, L wavers by the noise that the filter can't see through. Why probes: where
 * the load stays, a drift of the knee and one of the latency look alike. So when the filter takes a change of the latency for one of
 * the downstream, that is a guess until the load has moved: the probe asks. Quotas (429, 503) are quota-pace.ts's.
 *
 * Sources: the probe after BBR's PROBE_RTT (Cardwell et al., 2016); trying what is uncertain is Feldbaum's dual control (1960).
 * Units: attempts; ms.
 */

import { Cohort, type Measured } from './cohort.ts'
import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange, LimitReason } from './concurrency-limit.ts'
import { KneeFilter } from './knee-filter.ts'
import { QuotaPace } from './quota-pace.ts'

/** Fewer say too little to be worth a step; so few, because the filter adds them up. */
const LEAST_COHORT = 12
/** Below this share of the limit something else is the bottleneck, and nothing is learned about the downstream. */
const USED_SHARE = 0.8
const UP = 2
const DOWN = 0.5
/** From a limit beyond this the first step leads down: an attempt too many at a small limit harms little, from a large one much. */
const FIRST_UP = 20
/** Wide, as a logarithm: 1.4, what a step of the limit can still tell from noise. */
const WIDE = 0.35
const PROBE_SHARE = 0.7
const PROBE_EVERY_ROUNDS = 40
const PROBE_EVERY_MS = 5_000
const LONGEST_SPACING = 4
/** As a logarithm: what the filter lets the latency drift in a minute. Sooner than that it may as well be the knee. */
const MOVED = 0.15
/** Two standard errors tell a move. */
const PROBE_ERROR = MOVED / 2
/** Of attempts that scatter more than that allows a probe would take too long. */
const MOST_PROBED = 64
/** Two standard deviations. */
const SURPRISING = 4
/** A limit that moved by less loads the downstream as before. */
const SAME_LIMIT = 0.05
/** Some errors are always: only a share above it, and above what a low load shows too, is load's fault. */
const TOLERATED_ERRORS = 0.05
/** Whatever a low load shows: more attempts at what fails every other time help nobody. */
const MOST_TOLERATED_ERRORS = 0.5
const COHORTS_BETWEEN_PROBES = 4
/** No cohort is taken to be more precise: the downstream is no machine of the model's. */
const LEAST_ERROR = 0.02
/** How soon the spread of latencies, and the noise that the filter can't explain, are believed to have changed. */
const SPREAD_SHARE = 0.2
const UNEXPLAINED_SHARE = 0.05
const MOST_SURPRISE = 9

export class AdaptiveLimit implements ConcurrencyLimit {
  readonly #chance: () => number
  readonly #quota = new QuotaPace()
  readonly #bounds: LimitBounds
  readonly #filter: KneeFilter
  #exact: number
  /** The limit while it probes. */
  #probe: number | undefined
  /** The first round fills the downstream: what it measures is neither idle nor full. */
  #unsettled: number
  /** Cohorts whose attempts still run, and the one that gathers. */
  #ending: Cohort[] = []
  #gathering = new Cohort(Number.POSITIVE_INFINITY, LEAST_COHORT)
  #gatheredAt = 0
  #isFirst = true
  #turnUp = false
  #probeAt = Number.NEGATIVE_INFINITY
  #spacing = 1
  #cohortsSinceProbe = 0
  /** The latency without a queue, as the last probe left it. */
  #probedMs = 0
  /** Since the last cohort was judged. */
  #wasRefused = false
  #baseErrors = 0
  #spread = 0.1
  #unexplained = 0

  /** @param chance Evenly distributed in [0, 1) at each call. */
  constructor(bounds: LimitBounds, initial: number, chance: () => number) {
    this.#bounds = bounds
    this.#exact = this.#within(initial)
    this.#chance = chance
    this.#filter = new KneeFilter(bounds.max, this.#exact)
    this.#unsettled = Math.floor(this.#exact)
  }

  get limit(): number {
    return Math.floor(this.#within(this.#probe ?? this.#exact))
  }

  get nextStartAt(): number {
    return this.#quota.nextStartAt
  }

  startsUntil(until: number, now: number): number {
    return this.#quota.startsUntil(until, now)
  }

  pacePerSecond(now: number): number {
    return this.#quota.perSecond(now)
  }

  started(at: number): void {
    this.#quota.started(at)
    this.#gathering.started(at)
    if (!this.#gathering.isClosed) return
    this.#ending.push(this.#gathering)
    this.#gather(at)
  }

  ended(sample: AttemptSample): LimitChange | undefined {
    const previous = this.limit
    const reason = this.#learn(sample)
    return reason && this.limit !== previous ? { limit: this.limit, previous, reason } : undefined
  }

  #learn(sample: AttemptSample): LimitReason | undefined {
    const { at, startedAt, result, quietMs = 0 } = sample
    if (result === 'refused') {
      this.#quota.refused(at, startedAt, quietMs)
      this.#wasRefused = true
    } else if (result !== 'unknown') this.#quota.accepted(at, startedAt)
    if (this.#unsettled > 0) {
      if (--this.#unsettled === 0) this.#gather(at)
      return undefined
    }
    const cohort = [...this.#ending, this.#gathering].find((one) => one.has(startedAt))
    if (!cohort) return undefined
    if (result === 'ok' || result === 'failed') cohort.ended(sample, this.#filter.baseMs)
    else cohort.leaves()
    const measured = cohort.measured(at)
    if (!measured) return undefined
    // One that began earlier and has not ended yet would only tell of older times.
    const index = this.#ending.indexOf(cohort)
    if (index >= 0) this.#ending.splice(0, index + 1)
    else this.#gather(at)
    return this.#judge(measured, at)
  }

  #gather(at: number): void {
    const least = this.#probe === undefined ? LEAST_COHORT : Math.min(MOST_PROBED, this.#spread / PROBE_ERROR ** 2)
    this.#gathering = new Cohort(at, Math.max(LEAST_COHORT, least, this.limit))
  }

  /** What started under a limit that was much the same still tells of this one. */
  #regather(at: number): void {
    if (Math.abs(this.limit / this.#gatheredAt - 1) < SAME_LIMIT) return
    this.#gatheredAt = this.limit
    this.#ending = []
    this.#gather(at)
  }

  #judge(measured: Measured, at: number): LimitReason | undefined {
    const surprise = this.#see(measured, at)
    const { attempts, failures } = measured
    const sureErrors = (failures - Math.sqrt(failures)) / attempts
    const reason =
      this.#probe === undefined ? this.#afterCohort(measured, sureErrors, at) : this.#afterProbe(measured, surprise, at)
    this.#regather(at)
    return reason
  }

  #see({ attempts, latencyMs, load, spread }: Measured, at: number): number {
    this.#spread += SPREAD_SHARE * (spread - this.#spread)
    const variance = Math.max(this.#spread, spread) / attempts + this.#unexplained + LEAST_ERROR ** 2
    const surprise = this.#filter.see(at, load, latencyMs, Math.sqrt(variance))
    const more = (Math.min(MOST_SURPRISE, surprise) - 1) * variance
    this.#unexplained = Math.max(0, this.#unexplained + UNEXPLAINED_SHARE * more)
    return surprise
  }

  #afterCohort(measured: Measured, errors: number, at: number): LimitReason | undefined {
    const limit = this.#exact
    this.#cohortsSinceProbe++
    const tolerated = Math.min(MOST_TOLERATED_ERRORS, TOLERATED_ERRORS + 2 * this.#baseErrors)
    if (errors > tolerated) {
      if (this.#cohortsSinceProbe > COHORTS_BETWEEN_PROBES) return this.#beginProbe(DOWN * limit)
      return this.#set(limit * Math.max(DOWN, 1 - errors), 'errors')
    }
    const isUsed = measured.mostInFlight >= USED_SHARE * this.limit
    const aim = this.#isFirst && limit > FIRST_UP ? 0 : this.#aim()
    this.#isFirst = false
    const next = Math.min(UP * limit, Math.max(DOWN * limit, aim))
    const isRoom = isUsed && !this.#wasRefused && errors <= tolerated / 2
    this.#wasRefused = false
    if (next < limit) this.#set(next, 'latency')
    else if (isRoom) this.#set(next, 'room')
    // While it still searches, one round of a lower load would tell nothing new.
    if (isUsed && this.#isProbeDue(at) && next < 0.95 * UP * limit) {
      return this.#beginProbe(Math.min(PROBE_SHARE * this.#filter.knee(0.5), 0.85 * this.#exact))
    }
    return next < limit ? 'latency' : 'room'
  }

  #isProbeDue(at: number): boolean {
    if (at > this.#probeAt) return true
    const moved = Math.abs(Math.log(this.#filter.baseMs / this.#probedMs))
    return moved > MOVED && this.#cohortsSinceProbe >= COHORTS_BETWEEN_PROBES
  }

  #aim(): number {
    const [low, middle, high] = [this.#filter.knee(0.1), this.#filter.knee(0.5), this.#filter.knee(0.9)]
    const wideAbove = Math.log(high / middle) > WIDE
    const wideBelow = Math.log(middle / low) > WIDE
    this.#turnUp = wideAbove && !(wideBelow && this.#turnUp)
    const knee = this.#turnUp ? this.#filter.knee(0.75) : wideBelow ? this.#filter.knee(0.4) : middle
    return knee + Math.sqrt(knee)
  }

  #beginProbe(load: number): LimitReason {
    this.#probe = load
    return 'probe'
  }

  #afterProbe({ attempts, failures, latencyMs }: Measured, surprise: number, at: number): LimitReason {
    this.#probe = undefined
    this.#cohortsSinceProbe = 0
    this.#probedMs = this.#filter.baseMs
    this.#baseErrors = failures / attempts
    this.#spacing = surprise > SURPRISING ? 1 : Math.min(LONGEST_SPACING, 2 * this.#spacing)
    const everyMs = Math.max(PROBE_EVERY_MS, PROBE_EVERY_ROUNDS * latencyMs)
    this.#probeAt = at + everyMs * this.#spacing * (0.8 + 0.4 * this.#chance())
    this.#set(Math.min(this.#exact, Math.max(DOWN * this.#exact, this.#aim())), 'probed')
    return 'probed'
  }

  #set(exact: number, reason: LimitReason): LimitReason {
    this.#exact = this.#within(exact)
    return reason
  }

  #within(exact: number): number {
    return Math.min(Math.max(exact, this.#bounds.min), this.#bounds.max)
  }
}
