/** What a plan must keep: a measure of the waits and its bound, as in `p99 wait < 30s`. */

import { ForebayError } from '../errors.ts'
import { spanMs } from './spans.ts'
import { mean, percentile } from './statistics.ts'

export interface Objective {
  /** As it was written. */
  readonly text: string
  /** `mean`, or the share of the waits that the bound must hold for, above 0; 1 is the longest. */
  readonly measure: 'mean' | number
  readonly boundMs: number
}

const FORM = /^\s*(mean|max|p(\d{1,2}(?:\.\d+)?))\s+wait\s*(?:<=?|below|under)\s*(.+)$/i

/** @throws ForebayError `INVALID_OPTION`. */
export function parseObjective(text: string): Objective {
  const parts = FORM.exec(text)
  if (!parts) {
    const message = `slo: "${text}" is not of the form "p99 wait < 30s". The measure is mean, max, or p and a percentage.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'slo' })
  }
  const [, name = '', percentage, bound = ''] = parts
  const measure =
    name.toLowerCase() === 'mean'
      ? 'mean'
      : percentage === undefined
        ? 1
        : Number((Number(percentage) / 100).toFixed(9))
  const boundMs = spanMs('slo', bound)
  if (!(boundMs > 0)) throw new ForebayError('INVALID_OPTION', 'slo: the bound must be above 0.', { path: 'slo' })
  if (measure === 0) throw new ForebayError('INVALID_OPTION', 'slo: p0 bounds nothing.', { path: 'slo' })
  return { text: text.trim(), measure, boundMs }
}

/** The measure's value; 0 for no waits. */
export function measured(objective: Objective, waitsMs: Float64Array): number {
  if (objective.measure === 'mean') return mean(waitsMs) ?? 0
  return percentile(waitsMs.toSorted(), objective.measure) ?? 0
}

/** Whether these waits keep it. */
export function isKept(objective: Objective, waitsMs: Float64Array): boolean {
  return measured(objective, waitsMs) <= objective.boundMs
}
