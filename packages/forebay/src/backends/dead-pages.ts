/** Pages of dead letters, for engines that can only be asked for all of them. */

import type { DeadLetter, DeadPage } from './queue-service.ts'
import { type Death, type Letter, storedTask } from './task-letter.ts'

export interface DeadRecord extends Letter {
  readonly death: Death
}

/** Oldest first, from the one after `after` on. */
export function pageOf(
  all: readonly DeadRecord[],
  { limit, after = '' }: { readonly limit: number; readonly after?: string },
): DeadPage {
  const byDeath = (a: DeadRecord, b: DeadRecord) => (a.death.stamp < b.death.stamp ? -1 : 1)
  const found = all.filter(({ death }) => death.stamp > after).sort(byDeath)
  const shown = found.slice(0, limit)
  const next = found.length > limit ? shown.at(-1)?.death.stamp : undefined
  return { items: shown.map(asDeadLetter), next }
}

function asDeadLetter(letter: DeadRecord): DeadLetter {
  const { reason, at } = letter.death
  return { task: storedTask(letter, letter.record.granted ?? 0), reason, deadAt: at }
}
