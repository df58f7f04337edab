/** Whether an option is within its bounds, and within what the backend can. */

import type { QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'

/** A week: a longer attempt or backoff is a mistake in the unit. */
export const LONGEST_MS = 7 * 24 * 3_600_000

/** @throws ForebayError INVALID_OPTION. */
export function between(path: string, value: unknown, least: number, most: number): void {
  if (typeof value === 'number' && value >= least && value <= most) return
  const bounds = least === Number.MIN_VALUE ? `above 0 and at most ${most}` : `from ${least} to ${most}`
  throw new ForebayError('INVALID_OPTION', `${path} is a number ${bounds}, not ${String(value)}.`, { path })
}

/** @throws ForebayError INVALID_OPTION. */
export function whole(path: string, value: number, least: number, most: number): void {
  between(path, value, least, most)
  if (!Number.isInteger(value))
    throw new ForebayError('INVALID_OPTION', `${path} is a whole number, not ${value}.`, { path })
}

/** @throws ForebayError UNSUPPORTED. */
export function checkKeepsResults({ backend, capabilities }: Pick<QueueService, 'backend' | 'capabilities'>): void {
  if (capabilities.results) return
  const message = `The ${backend} backend can't keep results; sqlite, postgres and redis can.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'keepResultsMs' })
}
