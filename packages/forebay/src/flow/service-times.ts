/**
 * Mean and standard deviation of service times, the newer ones weighing more.
 *
 *     weight   w = max(1/n, 1/500)     for the n-th of them
 *     mean    += w (x - mean)
 *     variance = (1 - w) (variance + w (x - mean_before)^2)
 *
 * Until 500 were seen all weigh the same, and both are exact; after that the last 500 or so count. Source: B. P. Welford, 1962, in the
 * weighted form of T. Finch, 2009. Units: ms.
 */

const LEAST_WEIGHT = 1 / 500

export class ServiceTimes {
  #count = 0
  #mean = 0
  #variance = 0

  add(ms: number): void {
    this.#count++
    const weight = Math.max(1 / this.#count, LEAST_WEIGHT)
    const off = ms - this.#mean
    this.#mean += weight * off
    this.#variance = (1 - weight) * (this.#variance + weight * off * off)
  }

  /** Undefined before the first. */
  get meanMs(): number | undefined {
    return this.#count === 0 ? undefined : this.#mean
  }

  get deviationMs(): number {
    return Math.sqrt(this.#variance)
  }
}
