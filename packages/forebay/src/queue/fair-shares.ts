/** Which share of the starts each key gets: a weight for its own line, or none, and then its tasks wait in the common line. */

import type { Capabilities } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'

export type Fair = boolean | { readonly weights: Readonly<Record<string, number>> }

/** The weight of a key's line; undefined: it has none of its own. */
export type WeightOf = (key: string) => number | undefined

/** A key of the greatest weight gets a million times as much as one of the least: enough for any share, exact as a double. */
const WEIGHTS = { least: 0.001, most: 1_000 }

/** @throws ForebayError INVALID_OPTION. */
export function checkFair(fair: Fair | undefined): void {
  if (fair === undefined || typeof fair === 'boolean') return
  const weights: unknown = typeof fair === 'object' && fair !== null ? fair.weights : undefined
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    throw new ForebayError('INVALID_OPTION', 'fair is true, false or { weights: { KEY: number } }.', { path: 'fair' })
  }
  for (const [key, weight] of Object.entries(weights)) {
    if (typeof weight === 'number' && weight >= WEIGHTS.least && weight <= WEIGHTS.most) continue
    const message = `fair.weights["${key}"] is a number from ${WEIGHTS.least} to ${WEIGHTS.most}, not ${String(weight)}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'fair.weights' })
  }
}

/** @throws ForebayError UNSUPPORTED for a backend that keeps no lines, if they were asked for. */
export function checkFairness(fair: Fair | undefined, backend: string, { fairness }: Capabilities): void {
  if (fairness || !fair) return
  const message = `The ${backend} backend serves all keys in one line, and fair shares were asked for. Leave fair out, or choose a backend that can, such as sqlite.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'fair' })
}

/** Weight 1 for a key that is not named. */
export function weightsOf(fair: Fair = true, { fairness }: Capabilities): WeightOf {
  if (!fair || !fairness) return () => undefined
  const named = new Map(typeof fair === 'object' ? Object.entries(fair.weights) : [])
  return (key) => named.get(key) ?? 1
}
