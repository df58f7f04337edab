/**
 * The value that the share `q` of the sorted values does not exceed (nearest rank: a value that occurred, no interpolation).
 *
 * @param sorted Ascending.
 * @param q 0 to 1; 0 gives the least, 1 the greatest.
 * @returns `undefined` for no values.
 */
export function percentile(sorted: ArrayLike<number>, q: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
}

/** The mean; `undefined` for no values. */
export function mean(values: ArrayLike<number>): number | undefined {
  if (values.length === 0) return undefined
  let sum = 0
  for (let index = 0; index < values.length; index++) sum += values[index] as number
  return sum / values.length
}
