/** Ends and prolongs claims. */

import type { ClaimRef, ExtendResult, Settlement, SettleResult } from '../queue-service.ts'
import { type RunScript, script, toMicros } from './script.ts'
import { EXTEND_SCRIPT } from './scripts/extend-script.ts'
import { SETTLE_SCRIPT } from './scripts/settle-script.ts'

const SETTLE = script(SETTLE_SCRIPT)
const EXTEND = script(EXTEND_SCRIPT)

/** So many in one script, so that no other client of the server waits long for it. */
const AT_ONCE = 500

const SETTLED: SettleResult = { status: 'settled' }
const STALE = { status: 'stale' } as const

export async function settle(run: RunScript, settlements: readonly Settlement[]): Promise<SettleResult[]> {
  return inParts(settlements, async (part) => {
    const replies = (await run(SETTLE, [JSON.stringify(part.map(row))])) as readonly number[]
    return replies.map((settled) => (settled === 1 ? SETTLED : STALE))
  })
}

export async function extend(run: RunScript, claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
  return inParts(claims, async (part) => {
    const refs = JSON.stringify(part.map(({ id, token }) => [id, token]))
    const replies = (await run(EXTEND, [toMicros(leaseMs), refs])) as readonly number[]
    return replies.map((extended, index) =>
      extended === 1 ? { status: 'extended', token: (part[index] as ClaimRef).token } : STALE,
    )
  })
}

async function inParts<Item, Result>(
  items: readonly Item[],
  act: (part: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += AT_ONCE) results.push(...(await act(items.slice(at, at + AT_ONCE))))
  return results
}

/** As the script reads it. */
function row(settlement: Settlement): readonly (string | number)[] {
  const { outcome, claim } = settlement
  const start = [claim.id, claim.token, outcome]
  switch (outcome) {
    case 'complete': {
      const { keep } = settlement
      return keep ? [...start, toMicros(keep.keepMs), keep.result] : start
    }
    case 'retry':
      return [...start, toMicros(settlement.delayMs), JSON.stringify(settlement.failure)]
    case 'dead': {
      const { reason, failure } = settlement
      return failure ? [...start, reason, JSON.stringify(failure)] : [...start, reason]
    }
    case 'expire':
      return start
    case 'release':
      return [...start, toMicros(settlement.delayMs)]
  }
}
