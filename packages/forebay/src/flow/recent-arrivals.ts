/**
 * What came of late: how old the tasks that wait are, and how many more are to be expected.
 *
 *     waiting(age) = backlog - arrivals of the last `age` ms         tasks that have waited at least so long; first come, first served
 *     level       += (1 - e^(-dt / 90 s)) (n / dt - level)           arrivals per second, n of them in an interval dt
 *     spread      += (1 - e^(-dt / 30 min)) ((n - level dt)^2 / (level dt) - spread)      variance to mean; 1 for a Poisson stream
 *     expected(x, z) = level x + z sqrt(spread level x)              at most so many within x, but for a chance of 1 - Phi(z)
 *
 * Arrivals are known as counts between two looks, and taken to be even in between. What waits beyond the memory is as old as the oldest
 * task is said to be; an interval shorter than 1/512 of the memory is joined to its neighbour. A spread that jumps is followed by twenty-fold steps at most: one odd interval is no law. Sources: exponential
 * smoothing (R. G. Brown, 1956); the index of dispersion (D. R. Cox, P. A. W. Lewis, 1966). Units: ms in, tasks and tasks per second out.
 */

const LEVEL_CONSTANT_MS = 90_000
const SPREAD_CONSTANT_MS = 1_800_000
const LARGEST_STEP = 20

const MOST_INTERVALS = 512

interface Interval {
  readonly fromMs: number
  untilMs: number
  arrived: number
}

export class RecentArrivals {
  #rememberMs: number
  #intervals: Interval[] = []
  #perSecond: number | undefined
  #spread = 1

  /** @param rememberMs How far back arrivals are remembered, interval by interval. */
  constructor(rememberMs: number) {
    this.#rememberMs = rememberMs
  }

  /** From now on so far back. */
  remember(rememberMs: number): void {
    this.#rememberMs = rememberMs
  }

  /** The mean rate of late; 0 before the first interval. */
  get perSecond(): number {
    return this.#perSecond ?? 0
  }

  /** So many arrived from one look to the next. An interval without length says nothing. */
  add(fromMs: number, untilMs: number, arrived: number): void {
    const spanMs = untilMs - fromMs
    if (!(spanMs > 0)) return
    const last = this.#intervals.at(-1)
    if (last && untilMs - last.fromMs < this.#rememberMs / MOST_INTERVALS) {
      last.untilMs = untilMs
      last.arrived += arrived
    } else this.#intervals.push({ fromMs, untilMs, arrived })
    while (this.#intervals.length > 1 && (this.#intervals[0] as Interval).untilMs < untilMs - this.#rememberMs) {
      this.#intervals.shift()
    }
    const perSecond = (arrived * 1_000) / spanMs
    if (this.#perSecond === undefined) {
      this.#perSecond = perSecond
      return
    }
    const mean = (this.#perSecond * spanMs) / 1_000
    const spread = (arrived - mean) ** 2 / Math.max(mean, 1)
    const largest = LARGEST_STEP * (this.#spread + 1)
    this.#spread += (1 - Math.exp(-spanMs / SPREAD_CONSTANT_MS)) * (Math.min(spread, largest) - this.#spread)
    this.#perSecond += (1 - Math.exp(-spanMs / LEVEL_CONSTANT_MS)) * (perSecond - this.#perSecond)
  }

  /** How many arrived after a time, as far back as is remembered. */
  since(atMs: number): number {
    let arrived = 0
    for (let index = this.#intervals.length - 1; index >= 0; index--) {
      const interval = this.#intervals[index] as Interval
      if (interval.untilMs <= atMs) break
      const share = (interval.untilMs - Math.max(interval.fromMs, atMs)) / (interval.untilMs - interval.fromMs)
      arrived += interval.arrived * share
    }
    return arrived
  }

  /**
   * When the last task arrived that has `newer` others behind it; undefined if that is beyond memory.
   * @param newer How many arrived after it.
   */
  arrivalOf(newer: number): number | undefined {
    let behind = newer
    for (let index = this.#intervals.length - 1; index >= 0; index--) {
      const { fromMs, untilMs, arrived } = this.#intervals[index] as Interval
      if (behind < arrived) return untilMs - ((untilMs - fromMs) * behind) / arrived
      behind -= arrived
    }
    return undefined
  }

  /** How many are to be expected within a span, with a margin of `z` standard deviations. */
  expected(spanMs: number, z: number): number {
    if (spanMs <= 0) return 0
    const mean = (this.perSecond * spanMs) / 1_000
    return mean + z * Math.sqrt(this.#spread * mean)
  }
}
