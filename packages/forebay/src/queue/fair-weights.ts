/** Which weight a task's key has in the fair order among keys, and whether there is one. */

import type { QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'

/** `true`: all keys alike. With weights a key of weight 2 gets twice as much as one of 1; a key that is not named has 1. */
export type Fair = boolean | { readonly weights: Readonly<Record<string, number>> }

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

/**
 * The weight of each key; undefined for all where keys have no lines of their own.
 * @param fair Default: fair where the backend can be.
 * @throws ForebayError UNSUPPORTED if it is asked for and the backend cannot.
 */
export function weightsOf(
  fair: Fair | undefined,
  { backend, capabilities }: Pick<QueueService, 'backend' | 'capabilities'>,
): (key: string) => number | undefined {
  if (fair && !capabilities.fairness) {
    const message = `The ${backend} backend has no fair order among keys; sqlite, postgres and redis have.`
    throw new ForebayError('UNSUPPORTED', message, { path: 'fair' })
  }
  if (fair === false || !capabilities.fairness) return () => undefined
  const weights = new Map(typeof fair === 'object' ? Object.entries(fair.weights) : [])
  return (key) => weights.get(key) ?? 1
}
