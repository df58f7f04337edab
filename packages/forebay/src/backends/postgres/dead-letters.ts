/** Dead letters: many in several transactions, so that they hold up nobody; those that die meanwhile are left. */

import type { TaskId } from '../../task.ts'
import type { DeadLetters } from '../queue-service.ts'
import { textArray } from './array-params.ts'
import { cursorOf, type DeadRow, deadPage } from './looking.ts'
import { toStored } from './stored-text.ts'

/** So many are redriven or dropped in one transaction. */
const AT_ONCE = 1_000

/** Calls a function of the schema for the queue. */
type Call = (name: string, values: unknown[]) => Promise<unknown[][]>

type PartRow = [until: number, count: number, low?: number | null]

/** @param onRedriven Told the least rank of what became ready. */
export function deadLetters(call: Call, onRedriven: (low: number) => void): DeadLetters {
  const act = async (name: string, which: readonly TaskId[] | 'all', onPart: (part: PartRow) => void) => {
    let total = 0
    for (let at = 0, until: number | undefined, more = true; more; at += AT_ONCE) {
      const ids = which === 'all' ? undefined : textArray(which.slice(at, at + AT_ONCE).map(toStored))
      const [row] = await call(name, [ids, AT_ONCE, until])
      const part = row as PartRow
      onPart(part)
      total += part[1]
      until = part[0]
      more = which === 'all' ? part[1] === AT_ONCE : at + AT_ONCE < which.length
    }
    return total
  }
  return {
    list: async ({ limit, after }) => {
      const rows = await call('list_dead', [limit + 1, ...cursorOf(after)])
      return deadPage(limit, rows as DeadRow[])
    },
    redrive: (which) =>
      act('redrive', which, ([, count, low]) => count > 0 && onRedriven(low ?? Number.POSITIVE_INFINITY)),
    drop: (which) => act('drop_dead', which, () => {}),
  }
}
