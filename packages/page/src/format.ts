/** Figures as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const oneDecimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export const NOTHING = '–'

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING
  return value < 1_000_000 ? whole.format(value) : compact.format(value)
}

/** Per second. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING
  return value < 100 ? oneDecimal.format(value) : whole.format(value)
}

/** A span in milliseconds. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING
  if (ms < 1_000) return `${whole.format(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${oneDecimal.format(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
