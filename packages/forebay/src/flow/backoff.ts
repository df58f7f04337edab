/**
 * Backoff with full jitter: the n-th retry waits a time drawn evenly from [0, min(cap, base 2^(n-1))).
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the jitters compared there it
 * does the least work in all under contention. Units: milliseconds. Regimes: doubling until the cap, then flat.
 */

export interface BackoffSettings {
  readonly baseMs: number
  readonly capMs: number
}

/**
 * @param retry 1 for the first retry.
 * @param chance Evenly distributed in [0, 1).
 */
export function fullJitter(retry: number, chance: number, { baseMs, capMs }: BackoffSettings): number {
  // Beyond 2^52 the product is the cap anyway; the exponent is bounded so that it never becomes Infinity * 0.
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(retry, 1) - 1, 52))
  return chance * ceiling
}
