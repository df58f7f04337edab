/** A push as calls of the function: tasks as arrays of columns, the answer as results. */

import { createHash } from 'node:crypto'
import type { Bounds, NewTask, PushResult } from '../queue-service.ts'
import { boolArray, byteaArray, float8Array, int4Array, textArray, unlessEmpty } from './array-params.ts'
import { fromStored, toStored } from './stored-text.ts'

/** The statement's parameters after the queue's number, but for the last two. */
export function pushParameters(tasks: readonly NewTask[], bounds: Bounds): unknown[] {
  const column = <Value>(of: (task: NewTask) => Value): Value[] => tasks.map(of)
  return [
    textArray(column(({ id }) => toStored(id))),
    textArray(column(({ type }) => toStored(type))),
    textArray(column(({ payload }) => payload)),
    unlessEmpty(
      column(({ key }) => (key === undefined ? undefined : toStored(key))),
      textArray,
    ),
    unlessEmpty(
      column(({ headers }) => (headers === undefined ? undefined : JSON.stringify(headers))),
      textArray,
    ),
    unlessEmpty(
      column(({ priority }) => (priority === 0 ? undefined : priority)),
      int4Array,
    ),
    unlessEmpty(
      column(({ cost }) => cost),
      float8Array,
    ),
    unlessEmpty(
      column(({ weight }) => weight),
      float8Array,
    ),
    unlessEmpty(
      column(({ delayMs }) => (delayMs > 0 ? delayMs : undefined)),
      float8Array,
    ),
    unlessEmpty(
      column(({ ttlMs }) => ttlMs),
      float8Array,
    ),
    unlessEmpty(
      column(({ ordered }) => ordered || undefined),
      boolArray,
    ),
    unlessEmpty(
      column(({ dedup }) => (dedup === undefined ? undefined : toStored(dedup.id))),
      textArray,
    ),
    unlessEmpty(
      column((task) => (task.dedup === undefined ? undefined : printOf(task))),
      byteaArray,
    ),
    unlessEmpty(
      column(({ dedup }) => dedup?.windowMs),
      float8Array,
    ),
    bounds.maxDepth,
    bounds.maxBytes,
  ]
}

/** Tells one task's body from another's. */
function printOf(task: NewTask): Buffer {
  return createHash('sha256').update(JSON.stringify(task.type)).update(task.payload).digest()
}

/** So much payload in one statement, about: bounds its memory on both sides. */
const LARGEST_PUSH_BYTES = 16 * 1024 * 1024
const MOST_TASKS = 1_000

/** The tasks in runs, one after another, in each of which no two share an id or a dedup id. */
export function* distinctRuns(tasks: readonly NewTask[]): Generator<readonly NewTask[]> {
  if (tasks.length === 1) return yield tasks
  let run: NewTask[] = []
  let length = 0
  const ids = new Set<string>()
  const dedups = new Set<string>()
  for (const task of tasks) {
    const { id, dedup, payload } = task
    if (
      run.length === MOST_TASKS ||
      length + payload.length > LARGEST_PUSH_BYTES ||
      ids.has(id) ||
      (dedup !== undefined && dedups.has(dedup.id))
    ) {
      if (run.length > 0) yield run
      run = []
      length = 0
      ids.clear()
      dedups.clear()
    }
    run.push(task)
    length += payload.length
    ids.add(id)
    if (dedup !== undefined) dedups.add(dedup.id)
  }
  if (run.length > 0) yield run
}

export type PushRow = [
  statuses: number[] | null,
  firsts: string[] | null,
  low: number | null,
  /** Of a push that may drop tasks: what gave way, and each one's place of the newcomer that it gave way to, from 1. */
  dropped?: string[] | null,
  droppers?: number[] | null,
]

export function pushResults(tasks: readonly NewTask[], [statuses, firsts, , dropped, droppers]: PushRow): PushResult[] {
  if (statuses === null) return tasks.map(({ id }) => ({ status: 'accepted', id }))
  const gone = new Map<number | undefined, string[]>()
  for (const [index, id] of dropped?.entries() ?? []) {
    const dropper = droppers?.[index]
    gone.set(dropper, [...(gone.get(dropper) ?? []), fromStored(id)])
  }
  return tasks.map(({ id }, index) => {
    const first = fromStored(firsts?.[index] ?? toStored(id))
    switch (statuses[index] ?? 0) {
      case 0: {
        const victims = gone.get(index + 1)
        return victims ? { status: 'accepted', id, dropped: victims } : { status: 'accepted', id }
      }
      case 1:
        return { status: 'duplicate', id: first }
      case 2:
        return { status: 'conflict', id: first }
      default:
        return { status: 'full', bound: statuses[index] === 3 ? 'depth' : 'bytes' }
    }
  })
}
