/** What only reads, as the port's answers: depth, find, and the list of dead letters. */

import type { DeadReason } from '../../task.ts'
import type { DeadPage, Depth, FoundTask } from '../queue-service.ts'
import { fromStored } from './stored-text.ts'
import { storedTask, TASK_COLUMN_COUNT, type TaskColumns } from './task-rows.ts'

export type DepthRow = [
  ready: number,
  delayed: string,
  inFlight: string,
  dead: string,
  oldest: number,
  bytes: string,
  accepted: string,
  completed: string,
  expired: string,
  dropped: string,
  rows: string,
]

export function depthOf([ready, delayed, inFlight, dead, oldest, bytes, ...totals]: DepthRow): Depth {
  const [accepted, completed, expired, dropped] = totals.map(Number) as [number, number, number, number]
  return {
    ready,
    delayed: Number(delayed),
    inFlight: Number(inFlight),
    dead: Number(dead),
    oldestReadyAgeMs: oldest,
    bytes: Number(bytes),
    totals: { accepted, completed, expired, dropped },
  }
}

export type FindRow = [
  ord: string,
  id: string,
  state: FoundTask['state'],
  reason: DeadReason | null,
  diedAt: number | null,
  ...task: TaskColumns,
  completedAt: number | null,
  result: string | null,
]

export function foundOf(count: number, rows: readonly FindRow[]): (FoundTask | undefined)[] {
  const found = new Array<FoundTask | undefined>(count).fill(undefined)
  for (const row of rows) found[Number(row[0]) - 1] = foundTask(row)
  return found
}

function foundTask([, stored, state, reason, diedAt, ...rest]: FindRow): FoundTask {
  const id = fromStored(stored)
  if (state === 'completed') {
    const [completedAt, result] = rest.slice(TASK_COLUMN_COUNT) as [number, string]
    return { state, id, completedAt: Math.floor(completedAt), result }
  }
  const task = storedTask(id, rest.slice(0, TASK_COLUMN_COUNT) as TaskColumns)
  return state === 'dead'
    ? { state, task, reason: reason as DeadReason, deadAt: Math.floor(diedAt as number) }
    : { state, task }
}

export type DeadRow = [seq: string, id: string, reason: DeadReason, diedAt: number, ...task: TaskColumns]

/** A page's cursor is the last one's time of death and number. */
export function cursorOf(after: string | undefined): [place: number, seq: string] {
  const [place = Number.NEGATIVE_INFINITY, seq = '0'] = after === undefined ? [] : after.split('/')
  return [Number(place), seq]
}

/** @param rows One more than the page may hold, if there are as many. */
export function deadPage(limit: number, rows: readonly DeadRow[]): DeadPage {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map(([, id, reason, diedAt, ...task]) => ({
      task: storedTask(fromStored(id), task),
      reason,
      deadAt: Math.floor(diedAt),
    })),
    next: last && rows.length > limit ? `${last[3]}/${last[0]}` : undefined,
  }
}
