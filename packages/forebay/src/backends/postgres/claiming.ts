/** The answer to a claim as grants. */

import type { Claim } from '../queue-service.ts'
import { fromStored } from './stored-text.ts'
import { storedTask, TASK_COLUMN_COUNT, type TaskColumns } from './task-rows.ts'

export type ClaimRow = [
  id: string | null,
  token: string,
  waited: number,
  expired: boolean,
  ...task: TaskColumns,
  dueIn: number | null,
  low: number | null,
  last: number | null,
  seen: number,
  took: number,
]

export interface Granted {
  /** In the queue's order. */
  readonly claims: readonly Claim[]
  readonly lastRank: number | undefined
  /** In how many milliseconds the next task falls due; undefined if none does, or if more may be ready. */
  readonly dueInMs: number | undefined
  /** The least rank of what was made ready; undefined if nothing was. */
  readonly low: number | undefined
  /** Until when all that fell due was seen to, by the server's clock. */
  readonly seen: number
  readonly tookMs: number
}

export function grantedOf(rows: readonly ClaimRow[]): Granted {
  const end = (rows.at(-1) as ClaimRow).slice(4 + TASK_COLUMN_COUNT) as [
    number | null,
    number | null,
    number | null,
    number,
    number,
  ]
  const [dueIn, low, last, seen, tookMs] = end
  return {
    claims: rows.slice(0, -1).sort(byToken).map(claimOf),
    lastRank: last ?? undefined,
    dueInMs: dueIn ?? undefined,
    low: low ?? undefined,
    seen,
    tookMs,
  }
}

/** By number; those of one answer nearly always have as many digits. */
function byToken([, a]: ClaimRow, [, b]: ClaimRow): number {
  return a.length - b.length || (a < b ? -1 : 1)
}

function claimOf([stored, token, waited, expired, ...rest]: ClaimRow): Claim {
  const id = fromStored(stored as string)
  const task = storedTask(id, rest.slice(0, TASK_COLUMN_COUNT) as TaskColumns)
  // The server's clock may have been set back.
  return { id, token, task, waitedMs: Math.max(0, waited), expired }
}
