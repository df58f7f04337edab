/**
 * A circuit breaker: it stops the starts while the downstream fails, and finds out with few probes whether it is back.
 *
 *     closed     all may start. Opens when, over the last `windowMs` and at least `minCalls` ended calls,
 *                failed / calls >= failureRate or slow / calls >= slowRate
 *     open       nothing starts, for a time drawn evenly from [c/2, c) with c = min(maxOpenMs, openMs 2^(n-1)) at the
 *                n-th opening in a row; not from [0, c): a breaker that opens for no time would be none
 *     half-open  at most `probes` start. All good: closed. One failed or slow: open again, for longer
 *
 * The window slides in tenths: a call counts in the tenth that it ended in, and leaves with it, so memory does not grow with the rate.
 * A call that began before the last change of state says nothing about the state after it, and is not counted.
 * Source: the pattern is Nygard's ("Release It!", 2007); the two rates over a sliding window are an idea of resilience4j's.
 * Units: milliseconds of a monotonic clock; rates are shares, 0 to 1.
 */

export interface BreakerSettings {
  /** Above 0. More than 1: failures never open it. */
  readonly failureRate: number
  /** Above 0. More than 1: slowness never opens it. */
  readonly slowRate: number
  /** A call that took this long or longer is slow. */
  readonly slowMs: number
  readonly minCalls: number
  readonly windowMs: number
  readonly openMs: number
  readonly maxOpenMs: number
  readonly probes: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/** `none`: the call says nothing about the downstream. */
export type CallResult = 'good' | 'failed' | 'none'

/** A call that was started: in which era of the breaker, and whether it is a probe. */
export interface BreakerCall {
  readonly era: number
  readonly isProbe: boolean
}

const TENTHS = 10

interface Tenth {
  readonly index: number
  calls: number
  failed: number
  slow: number
}

export class Breaker {
  readonly #settings: BreakerSettings
  #state: BreakerState = 'closed'
  #era = 0
  #openUntil = Number.NEGATIVE_INFINITY
  #opensInARow = 0
  #probesStarted = 0
  #probesGood = 0
  /** Ascending by index, at most ten. */
  #tenths: Tenth[] = []
  #reason = ''

  constructor(settings: BreakerSettings) {
    this.#settings = settings
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Why it is in its state. */
  get reason(): string {
    return this.#reason
  }

  /** When an open breaker lets probes start; meaningless in the other states. */
  get openUntil(): number {
    return this.#openUntil
  }

  /** How many more may start now. An open breaker whose time is over becomes half-open. */
  room(now: number): number {
    if (this.#state === 'open' && now >= this.#openUntil) {
      this.#probesStarted = 0
      this.#probesGood = 0
      this.#become('half-open', 'the open time is over; probes find out')
    }
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY
    return this.#state === 'open' ? 0 : this.#settings.probes - this.#probesStarted
  }

  /** One starts, for which there was room. */
  start(): BreakerCall {
    const isProbe = this.#state === 'half-open'
    if (isProbe) this.#probesStarted++
    return { era: this.#era, isProbe }
  }

  /** It ended. `chance`: evenly distributed in [0, 1). */
  end(call: BreakerCall, result: CallResult, durationMs: number, now: number, chance: number): void {
    if (call.era !== this.#era) return
    const isSlow = durationMs >= this.#settings.slowMs
    if (call.isProbe) this.#endProbe(result, isSlow && this.#settings.slowRate <= 1, now, chance)
    else if (result !== 'none') this.#count(result === 'failed', isSlow, now, chance)
  }

  #endProbe(result: CallResult, isSlow: boolean, now: number, chance: number): void {
    if (result === 'none') this.#probesStarted--
    else if (result === 'failed' || isSlow)
      this.#open(`a probe ${result === 'failed' ? 'failed' : 'was slow'}`, now, chance)
    else if (++this.#probesGood === this.#settings.probes) {
      this.#opensInARow = 0
      this.#tenths = []
      this.#become('closed', 'the probes succeeded')
    }
  }

  #count(hasFailed: boolean, isSlow: boolean, now: number, chance: number): void {
    const { windowMs, minCalls, failureRate, slowRate } = this.#settings
    const index = Math.floor((now * TENTHS) / windowMs)
    this.#tenths = this.#tenths.filter((tenth) => tenth.index > index - TENTHS)
    let last = this.#tenths.at(-1)
    if (last?.index !== index) {
      last = { index, calls: 0, failed: 0, slow: 0 }
      this.#tenths.push(last)
    }
    last.calls++
    if (hasFailed) last.failed++
    if (isSlow) last.slow++
    const sum = (of: 'calls' | 'failed' | 'slow') => this.#tenths.reduce((total, tenth) => total + tenth[of], 0)
    const calls = sum('calls')
    if (calls < minCalls) return
    if (sum('failed') / calls >= failureRate) this.#open(`${sum('failed')} of ${calls} calls failed`, now, chance)
    else if (sum('slow') / calls >= slowRate) this.#open(`${sum('slow')} of ${calls} calls were slow`, now, chance)
  }

  #open(reason: string, now: number, chance: number): void {
    const { openMs, maxOpenMs } = this.#settings
    // The exponent is bounded so that the product never becomes Infinity.
    const ceiling = Math.min(maxOpenMs, openMs * 2 ** Math.min(this.#opensInARow++, 52))
    this.#openUntil = now + (ceiling * (1 + chance)) / 2
    this.#become('open', reason)
  }

  #become(state: BreakerState, reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#era++
  }
}
