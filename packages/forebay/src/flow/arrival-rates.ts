/**
 * Arrival rates of several kinds at once: how many of each come a second, as an exponentially weighted mean.
 *
 *     at an arrival after dt:  n = n exp(-dt / T) + 1          rate = n / T          T = 3 s
 *
 * A steady stream is known to 5% after 3 T; of one that has ended, 5% is left then. Memory is bounded: beyond `MOST_KINDS` the
 * kind that came the longest ago is forgotten. Units: milliseconds in, arrivals per second out.
 */

const TIME_CONSTANT_MS = 3_000
const MOST_KINDS = 100

export class ArrivalRates {
  /** By their last arrival, the oldest first. */
  readonly #kinds = new Map<number, { count: number; at: number }>()

  note(kind: number, now: number): void {
    const count = this.#countOf(kind, now) + 1
    this.#kinds.delete(kind)
    this.#kinds.set(kind, { count, at: now })
    const [oldest] = this.#kinds.keys()
    if (this.#kinds.size > MOST_KINDS && oldest !== undefined) this.#kinds.delete(oldest)
  }

  /** All kinds above this one together, a second. */
  perSecondAbove(kind: number, now: number): number {
    let count = 0
    for (const other of this.#kinds.keys()) if (other > kind) count += this.#countOf(other, now)
    return (1_000 * count) / TIME_CONSTANT_MS
  }

  #countOf(kind: number, now: number): number {
    const known = this.#kinds.get(kind)
    return known ? known.count * Math.exp((known.at - now) / TIME_CONSTANT_MS) : 0
  }
}
