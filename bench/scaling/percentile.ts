/** The least value that at least this share of all values does not exceed. */
export function percentile(values: Float32Array, share: number): number {
  const sorted = values.slice().sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
}
