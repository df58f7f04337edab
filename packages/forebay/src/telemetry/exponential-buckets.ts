/**
 * Exponential buckets: bound(i) = first * factor^i, for i = 0 ... count - 1, and one more without a bound. A value belongs to the first
 * bucket whose bound is not below it, so a quantile that is read from them is off by less than `factor`, whatever the scale.
 */

export interface Buckets {
  /** Upper bounds, ascending, inclusive. */
  readonly bounds: readonly number[]
  /** The bucket of a value; `bounds.length` for what is above them all. */
  of(value: number): number
}

/** @param first Above 0. @param factor Above 1. */
export function exponentialBuckets(first: number, factor: number, count: number): Buckets {
  // To twelve digits, so that no bound prints as 0.0016000000000000003.
  const bounds = Array.from({ length: count }, (_, index) => Number((first * factor ** index).toPrecision(12)))
  const perFactor = 1 / Math.log(factor)
  const firstLog = Math.log(first)
  return {
    bounds,
    of(value) {
      if (value <= first) return 0
      let index = Math.min(count, Math.max(0, Math.ceil((Math.log(value) - firstLog) * perFactor)))
      // The logarithm may be off by one at a bound itself.
      if (index > 0 && value <= (bounds[index - 1] as number)) index--
      else if (index < count && value > (bounds[index] as number)) index++
      return index
    },
  }
}
