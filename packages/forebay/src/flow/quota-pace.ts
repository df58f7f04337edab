/**
 * The pace under a quota that nobody told us: learned from refusals (429, 503 with Retry-After).
 *
 *     first refusal      rate = 0.93 x the rate of starts since the flow last stood still
 *     later refusals     rate = sqrt(0.97 A x 0.93 P),   A = accepted / time since the refusal before,  P = the pace at this one
 *     then               kept for 5 s x 2^confidence, at most 120 s; afterwards it grows: rate (1 + 0.01 d + 0.002 d^2), d in s
 *     no longer needed   when it is twice the rate of starts that the limit itself allows
 *
 * Why: between two moments at which a quota is used up it has granted what it refilled, or less where it overflowed
 * meanwhile: A is the least that the quota can be, and P, which was refused, the most. Their geometric mean halves the
 * distance in proportion at each refusal. A little less, because a rate that is met exactly is
 * refused by every jitter. Confidence doubles the quiet at each refusal near the rate already known: a quota that stands is
 * tested ever less often, and one that grew is found by the square of the time. Units: ms, starts per second.
 */

/** A pace may be made up for by so much after a late wake; more would be a burst. */
const LATE_MS = 5
const FIRST_SHARE = 0.93
const SHARE = 0.97
const KEEP_MS = 5_000
const LONGEST_KEEP_MS = 120_000
/** Refusals that come together are one. */
const ONE_REFUSAL_MS = 500
/** The rate was confirmed if it is found again within this share. */
const SAME = 0.1

export class QuotaPace {
  /** Infinity: no quota known. */
  #perSecond = Number.POSITIVE_INFINITY
  #growsFrom = Number.POSITIVE_INFINITY
  #confidence = 0
  #nextStartAt = Number.NEGATIVE_INFINITY
  #refusedAt: number | undefined
  #countedSince: number | undefined
  #accepted = 0
  #starts = 0
  #startsSince: number | undefined

  get nextStartAt(): number {
    return this.#nextStartAt
  }

  startsUntil(until: number, now: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const fromMs = Math.max(this.#nextStartAt, now)
    return fromMs > until ? 0 : 1 + Math.floor(((until - fromMs) * this.#rateAt(now)) / 1_000)
  }

  started(at: number): void {
    this.#startsSince ??= at
    this.#starts++
    if (this.#perSecond === Number.POSITIVE_INFINITY) return
    const rate = this.#rateAt(at)
    this.#nextStartAt = Math.max(this.#nextStartAt, at - LATE_MS) + 1_000 / rate
  }

  accepted(at: number): void {
    this.#countedSince ??= at
    this.#accepted++
    if (this.#accepted % 64 === 0) this.#forgetIfUnneeded(at)
  }

  refused(at: number): void {
    const together = this.#refusedAt !== undefined && at - this.#refusedAt < ONE_REFUSAL_MS
    if (together) return
    const known = this.#perSecond
    const elapsed = at - (this.#refusedAt ?? this.#startsSince ?? at)
    if (this.#refusedAt === undefined || known === Number.POSITIVE_INFINITY) {
      // One in flight at least, over a millisecond at least: never 0, never Infinity.
      this.#perSecond = (FIRST_SHARE * Math.max(1, this.#starts) * 1_000) / Math.max(1, at - (this.#startsSince ?? at))
    } else {
      const granted = (Math.max(1, this.#accepted) * 1_000) / Math.max(1, elapsed)
      this.#perSecond = Math.sqrt(SHARE * granted * FIRST_SHARE * Math.max(granted, this.#rateAt(at)))
    }
    const confirmed = Math.abs(this.#perSecond / known - 1) < SAME
    this.#confidence = confirmed ? this.#confidence + 1 : 0
    this.#growsFrom = at + Math.min(LONGEST_KEEP_MS, KEEP_MS * 2 ** this.#confidence)
    this.#refusedAt = at
    this.#accepted = 0
    this.#starts = 0
    this.#startsSince = undefined
    this.#nextStartAt = at
  }

  #rateAt(at: number): number {
    const seconds = Math.max(0, (at - this.#growsFrom) / 1_000)
    return this.#perSecond * (1 + 0.01 * seconds + 0.002 * seconds * seconds)
  }

  #forgetIfUnneeded(at: number): void {
    if (this.#perSecond === Number.POSITIVE_INFINITY || at < this.#growsFrom) return
    const startedPerSecond = (this.#starts * 1_000) / Math.max(1, at - (this.#startsSince ?? at))
    if (this.#rateAt(at) < 2 * startedPerSecond) return
    this.#perSecond = Number.POSITIVE_INFINITY
    this.#nextStartAt = Number.NEGATIVE_INFINITY
    this.#confidence = 0
  }
}
