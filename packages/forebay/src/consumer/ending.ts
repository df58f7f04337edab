/** How an attempt at a task ended. */

import type { ClaimRef, Settlement } from '../backends/queue-service.ts'

/** `outcome`, and what belongs to it, is stored. */
export type Ending = {
  /** So long nothing starts, ms: the downstream asked for quiet. */
  readonly holdMs?: number
  /** What the handler completed with. */
  readonly result?: unknown
} & DistributiveOmit<Settlement, 'claim'>

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never

export function settlementOf(ending: Ending, claim: ClaimRef): Settlement {
  // The usual one, without copying.
  if (ending.outcome === 'complete' && !ending.keep) return { outcome: 'complete', claim }
  const { holdMs: _, result: __, ...outcome } = ending
  return { ...outcome, claim } as Settlement
}

/** How long nothing starts after these, ms. */
export function holdMsOf(endings: readonly Ending[]): number {
  let longest = 0
  for (const { holdMs = 0 } of endings) longest = Math.max(longest, holdMs)
  return longest
}
