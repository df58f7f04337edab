/**
 * An adaptive limit: it finds how many attempts a downstream can run at once, without being told.
 *
 * A queue's consumer is always saturated, so an average of the latency would learn congestion as its baseline. Therefore
 * the baseline R0 is measured on purpose, in probes at half of the limit, where no queue can stand.
 *
 *     window   ends when the standard error of its mean latency is small enough (sample-window.ts); s = that error,
 *              r = mean latency - s: a rise counts only as far as it is sure; e = share of failures; full = inFlight >= 0.8 L
 *     errors   e > min(0.5, 0.05 + 2 e0):  L *= max(0.5, 1 - e)             e0: the share in the last probe
 *     search   at the start:               L *= 1.5 while r < 1.25 R0 and full
 *     steady   g = clamp(R0 / r, 0.5, 1.2):  L += k (L g + sqrt L - L)      k = 0.25; 0.6 where g < 0.7. Up only if full
 *     stale    r + 3 s < R0: no queue makes a downstream faster, so R0 falls to it
 *     probe    each 60 s +- 20% of chance (at 0.7 of what Little's law needs), and when r - s > 1.3 R0 (1 + 1 / sqrt L), when
 *              R0 was stale, or at errors (at half of L): take only what started since, and halve again while that lowers the
 *              latency by more than 28%, or to see a risen R0 twice; then R0 = the latency found, and if there was a queue
 *              L = min(L, X R0 + sqrt L), with the throughput X of before; if R0 rose by 25%: search
 *
 * Regimes: below the knee g = 1 and L grows by sqrt L / 4 a window; at it L (1 - R0 / r) = sqrt L: a queue of sqrt L attempts, the
 * square-root staffing of Halfin and Whitt, keeps the servers busy; far above it, the probe leads back in one step.
 * Quotas (429 and 503 with Retry-After) are quota-pace.ts's.
 *
 * Sources: gradient and square root as in Netflix's concurrency-limits and Envoy's adaptive concurrency; the probe after
 * BBR's PROBE_RTT (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016). Units: attempts; ms.
 */

import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange, LimitReason } from './concurrency-limit.ts'
import { QuotaPace } from './quota-pace.ts'
import { LONGEST_WINDOW_MS, SampleWindow } from './sample-window.ts'

/** The standard error of a mean latency, as a share of it: a probe's counts for a minute, a window's for a quarter step. */
const PROBE_ERROR = 0.1
const WINDOW_ERROR = 0.12
/** Below this share of the limit something else is the bottleneck, and nothing is learned about the downstream. */
const USED_SHARE = 0.8
/** Some errors are always: only a share above it, and above what half of the load shows too, is load's fault. */
const TOLERATED_ERRORS = 0.05
/** Whatever half of the load shows: more attempts at what fails every other time help nobody. */
const MOST_TOLERATED_ERRORS = 0.5
/** A window's noise is a tenth or two: a quarter of each step averages it, and a real rise is followed faster. */
const STEP = 0.25
const FAST_STEP = 0.6
/** Doubling overshoots by the whole capacity; 1.5 by half of it, and needs 10 windows from 1 to 50. */
const SEARCH_FACTOR = 1.5
/** Of the load that Little's law says needs no queue: less costs more, and more might queue by chance. */
const ROUTINE_SHARE = 0.7
/** Of a new window's spread in what is known of it: ten windows. */
const SPREAD_SHARE = 0.1
/** Standard errors: chance does that in one of 40 windows. */
const SURELY = 2
const ROSE = 1.25
const PROBE_EVERY_MS = 60_000
/** Between 0.5 (all of it was queue) and 1 (none): half of the latency was queue at 0.75, less a little for noise. */
const WAS_QUEUED = 0.72
/** A probe that was called for is not called for again for so many windows: it would eat what it should save. */
const WINDOWS_BETWEEN_PROBES = 4

interface Probe {
  readonly halved: number
  /** The latency at twice the load, and at the limit. */
  readonly before: number
  readonly first: number
  /** Attempts that ended per ms before it. */
  readonly perMs: number
  /** It follows another that was not sure. */
  readonly again?: boolean
  /**
   * Only what started since it began and before it was enough counts, and all of that: what ran before shared the
   * downstream with a larger load, and the quick alone, which end first, would make the downstream look fast.
   */
  readonly window: SampleWindow
  started: number
  enoughAt: number
}

export class AdaptiveLimit implements ConcurrencyLimit {
  readonly #chance: () => number
  readonly #quota = new QuotaPace()
  readonly #bounds: LimitBounds
  #exact: number
  #searching = true
  #baseMs: number | undefined
  #baseErrors = 0
  #unsettled: number
  #spread = 0
  #window = new SampleWindow(0, 0)
  #probe: Probe | undefined
  #probeAt = 0
  #windowsSinceProbe = 0
  #probeSpacing = WINDOWS_BETWEEN_PROBES

  /** @param chance Evenly distributed in [0, 1) at each call. */
  constructor(bounds: LimitBounds, initial: number, chance: () => number) {
    this.#bounds = bounds
    this.#exact = clamp(initial, bounds.min, bounds.max)
    this.#chance = chance
    this.#unsettled = Math.floor(this.#exact)
  }

  get limit(): number {
    const { min, max } = this.#bounds
    return clamp(Math.floor(this.#probe?.halved ?? this.#exact), min, max)
  }

  get nextStartAt(): number {
    return this.#quota.nextStartAt
  }

  startsUntil(until: number, now: number): number {
    return this.#quota.startsUntil(until, now)
  }

  started(at: number): void {
    this.#quota.started(at)
    const probe = this.#probe
    // What starts at the very moment at which it began may have started before it.
    if (probe && at > probe.window.began && probe.enoughAt === Number.POSITIVE_INFINITY) probe.started++
  }

  ended(sample: AttemptSample): LimitChange | undefined {
    const previous = this.limit
    const reason = this.#learn(sample)
    return reason && this.limit !== previous ? { limit: this.limit, previous, reason } : undefined
  }

  #learn(sample: AttemptSample): LimitReason | undefined {
    const { at, startedAt, result } = sample
    if (result === 'refused') this.#quota.refused(at)
    else if (result !== 'unknown') this.#quota.accepted(at)
    const isSample = result === 'ok' || result === 'failed'
    const probe = this.#probe
    if (probe) {
      if (startedAt <= probe.window.began || startedAt > probe.enoughAt) return undefined
      if (!isSample) probe.started--
      else probe.window.add(sample, this.#baseMs ?? 0)
      if (probe.enoughAt === Number.POSITIVE_INFINITY && probe.window.isEnough(0, PROBE_ERROR, at)) {
        probe.enoughAt = at
      }
      const all = probe.window.samples >= probe.started || at - probe.enoughAt > LONGEST_WINDOW_MS
      return probe.enoughAt <= at && all ? this.#afterProbe(probe, at) : undefined
    }
    if (!isSample) return undefined
    // The first round fills the downstream: what it measures is neither idle nor full.
    if (this.#unsettled > 0) {
      this.#unsettled--
      this.#window = new SampleWindow(at, 0)
      return undefined
    }
    this.#window.add(sample, this.#baseMs ?? 0)
    const atLeast = this.#baseMs === undefined ? 0 : this.limit
    return this.#window.isEnough(atLeast, WINDOW_ERROR, at) ? this.#afterWindow(at) : undefined
  }

  #afterWindow(at: number): LimitReason | undefined {
    const window = this.#window
    this.#spread += SPREAD_SHARE * (window.spread - this.#spread)
    this.#window = new SampleWindow(at, this.#spread)
    this.#windowsSinceProbe++
    const { latencyMs, errors } = window
    const perMs = window.samples / Math.max(1, at - window.began)
    if (this.#baseMs === undefined) return this.#beginProbe(at, latencyMs, perMs)
    if (errors > Math.min(MOST_TOLERATED_ERRORS, TOLERATED_ERRORS + 2 * this.#baseErrors)) {
      this.#searching = false
      this.#set(this.#exact * Math.max(0.5, 1 - errors))
      if (this.#windowsSinceProbe > this.#probeSpacing) this.#beginProbe(at, latencyMs, perMs)
      return 'errors'
    }
    const full = window.mostInFlight >= USED_SHARE * this.limit
    // No queue makes a downstream faster: what is surely below the baseline is the better baseline.
    const surely = latencyMs + SURELY * window.errorMs
    const isStale = surely < this.#baseMs
    if (isStale) this.#baseMs = surely * ROSE < this.#baseMs ? latencyMs : surely
    const base = this.#baseMs
    const suspicious = latencyMs - SURELY * window.errorMs > 1.3 * base * (1 + 1 / Math.sqrt(this.#exact))
    const called = (suspicious || isStale) && this.#windowsSinceProbe > this.#probeSpacing
    if (called) return this.#beginProbe(at, latencyMs, perMs)
    if (at >= this.#probeAt && full) {
      return this.#lower(Math.min(ROUTINE_SHARE * perMs * base, 0.9 * this.#exact), at, {
        before: latencyMs,
        first: latencyMs,
        perMs,
      })
    }
    if (this.#searching && latencyMs - window.errorMs < ROSE * base) {
      return full ? this.#set(this.#exact * SEARCH_FACTOR, 'room') : undefined
    }
    this.#searching = false
    const gradient = clamp(base / (latencyMs - window.errorMs), 0.5, 1.2)
    const step = gradient < 0.7 ? FAST_STEP : STEP
    const next = this.#exact + step * (this.#exact * gradient + Math.sqrt(this.#exact) - this.#exact)
    if (next > this.#exact && !full) return undefined
    return this.#set(next, next > this.#exact ? 'room' : 'latency')
  }

  #beginProbe(at: number, before: number, perMs: number): LimitReason {
    return this.#lower(this.#exact / 2, at, { before, first: before, perMs })
  }

  #lower(load: number, at: number, known: Omit<Probe, 'halved' | 'window' | 'started' | 'enoughAt'>): LimitReason {
    const window = new SampleWindow(at, this.#spread)
    this.#probe = { ...known, halved: load, window, started: 0, enoughAt: Number.POSITIVE_INFINITY }
    return 'probe'
  }

  #afterProbe(probe: Probe, at: number): LimitReason {
    const { window } = probe
    const { latencyMs } = window
    const canHalve = Math.floor(probe.halved) > this.#bounds.min
    const former = this.#baseMs
    // A queue halves with the load. Near the known baseline there is none; one that rose must be seen twice.
    const isNew = former === undefined || latencyMs > ROSE * former
    const fell = latencyMs < WAS_QUEUED * probe.before
    if (canHalve && isNew && (fell || (former !== undefined && !probe.again))) {
      return this.#lower(probe.halved / 2, at, {
        before: latencyMs,
        first: probe.first,
        perMs: probe.perMs,
        again: true,
      })
    }
    this.#baseMs =
      former === undefined || Math.abs(latencyMs / former - 1) > 0.35 ? latencyMs : former + 0.3 * (latencyMs - former)
    this.#spread = Math.max(this.#spread, window.spread)
    this.#baseErrors = window.errors
    const wasQueued = probe.first * WAS_QUEUED > this.#baseMs
    const foundNothing = !wasQueued && former !== undefined && Math.abs(this.#baseMs / former - 1) < ROSE - 1
    this.#probeSpacing = foundNothing ? Math.min(64, 2 * this.#probeSpacing) : WINDOWS_BETWEEN_PROBES
    if (wasQueued) this.#set(Math.min(this.#exact, probe.perMs * this.#baseMs + Math.sqrt(this.#exact)))
    if (former !== undefined && this.#baseMs > ROSE * former) this.#searching = true
    this.#probe = undefined
    this.#window = new SampleWindow(at, this.#spread)
    this.#windowsSinceProbe = 0
    this.#probeAt = at + PROBE_EVERY_MS * (0.8 + 0.4 * this.#chance())
    return 'probed'
  }

  #set(exact: number, reason: LimitReason = 'latency'): LimitReason {
    this.#exact = clamp(exact, this.#bounds.min, this.#bounds.max)
    return reason
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
