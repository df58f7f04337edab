/** What must give way to a newcomer at a queue's bounds, for engines that keep them exactly. */

import type { Bounds } from './queue-service.ts'

/** At most so many tasks give way to one newcomer: bounds the work of a push that is much larger than what is queued. */
export const MOST_DROPPED = 1_000

export type Evicting = 'drop-oldest' | 'drop-lowest-priority'

/** By how much a queue with the newcomer in it would be beyond its bounds. */
export interface Excess {
  readonly bound: 'depth' | 'bytes'
  readonly tasks: number
  readonly bytes: number
  /** Whose tasks may give way; undefined if none may, or if it would not help. */
  readonly overflow: Evicting | undefined
}

/** Undefined if the newcomer fits. */
export function excessOf(
  { maxDepth = Infinity, maxBytes = Infinity, overflow = 'reject' }: Bounds,
  queued: { readonly tasks: number; readonly bytes: number },
  newcomerBytes: number,
): Excess | undefined {
  const tasks = queued.tasks + 1 - maxDepth
  const bytes = queued.bytes + newcomerBytes - maxBytes
  if (tasks <= 0 && bytes <= 0) return undefined
  const helps = overflow !== 'reject' && newcomerBytes <= maxBytes && tasks <= MOST_DROPPED
  return { bound: tasks > 0 ? 'depth' : 'bytes', tasks, bytes, overflow: helps ? overflow : undefined }
}

/** The first of the candidates that make room together; undefined if all that may give way are not enough. */
export function victimsOf<Candidate extends { readonly bytes: number }>(
  excess: Excess,
  next: () => Candidate | undefined,
): Candidate[] | undefined {
  const victims: Candidate[] = []
  let bytes = 0
  while (victims.length < excess.tasks || bytes < excess.bytes) {
    const victim = victims.length < MOST_DROPPED ? next() : undefined
    if (!victim) return undefined
    victims.push(victim)
    bytes += victim.bytes
  }
  return victims
}
