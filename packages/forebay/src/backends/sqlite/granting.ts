/**
 * Which tasks a claim gets. With nothing but the common line that is one look along its rank. Else the open lines are read in
 * their order, as many as there may be grants, and served in turn in memory: what a line sends is read a few tasks at a time.
 */

import type { Database, Statement } from 'better-sqlite3'
import { comesBefore, placeLine } from '../../flow/fair-order.ts'
import type { Lines } from './lines.ts'
import type { LineRow, QueueRow } from './queue-rows.ts'
import { TASK_COLUMNS, type TaskRow } from './task-rows.ts'

export interface ReadyRow extends TaskRow {
  readonly rank: number
  readonly due: number
  readonly expiresAt: number | null
}

/** Takes a task that is granted out of the ready ones. */
export type Lease = (row: ReadyRow) => void

/** The open lines in their order, as far as they were read. */
interface Order {
  readonly lines: LineRow[]
  /** What was not read comes behind this one; undefined if all was read. */
  readonly last: LineRow | undefined
}

export class Granting {
  readonly #select: Statement<[number, number], ReadyRow>
  readonly #lines: Lines

  constructor(db: Database, lines: Lines) {
    this.#lines = lines
    this.#select = db.prepare(
      `SELECT ${TASK_COLUMNS}, p.rank, p.due, p.expiresAt FROM places p CROSS JOIN tasks t ON t.seq = p.seq
       WHERE p.line = ? AND p.state = 0 ORDER BY p.rank, p.seq LIMIT ?`,
    )
  }

  /** Up to `max` tasks in the queue's order; calls `lease` for each. */
  run(queue: QueueRow, max: number, now: number, lease: Lease): void {
    if (queue.openLines === 0) return
    if (queue.openLines === 1 && queue.common.ready > 0) this.#fromCommon(queue, max, now, lease)
    else this.#inTurn(queue, max, now, lease)
  }

  #fromCommon(queue: QueueRow, max: number, now: number, lease: Lease): void {
    for (const row of this.#select.all(queue.common.id, max)) {
      lease(row)
      this.#lines.grant(queue, queue.common, row, undefined, now)
    }
  }

  #inTurn(queue: QueueRow, max: number, now: number, lease: Lease): void {
    const read = new Map<LineRow, ReadyRow[]>()
    let order = this.#order(queue, max)
    let left = max
    while (left > 0) {
      const line = order.lines.shift()
      if (!line || (order.last && comesBefore(order.last, line))) {
        if (!order.last) return
        order = this.#order(queue, left)
        continue
      }
      if (!this.#lines.isOpen(queue, line, now)) continue
      const rows = read.get(line) ?? []
      if (rows.length === 0) rows.push(...this.#select.all(line.id, Math.ceil(left / (order.lines.length + 1))))
      read.set(line, rows)
      const task = rows.shift() as ReadyRow
      lease(task)
      // Who is next decides the line's place.
      const next = rows[0] ?? (line.ready > 1 ? this.#lines.first(line) : undefined)
      this.#lines.grant(queue, line, task, next, now)
      left--
      if (this.#lines.isOpen(queue, line, now)) insert(order.lines, line)
    }
  }

  /** Reads lines that are open, as many as may be served: each grant moves one behind those that were not read. */
  #order(queue: QueueRow, count: number): Order {
    const lines = this.#lines.inOrder(queue, count)
    const last = lines.length < count ? undefined : lines.at(-1)
    const { common } = queue
    if (common.ready > 0) {
      Object.assign(common, this.#lines.first(common))
      placeLine(common, common.priority)
      insert(lines, common)
    }
    return { lines, last: last && { ...last } }
  }
}

function insert(lines: LineRow[], line: LineRow): void {
  let low = 0
  let high = lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (comesBefore(lines[middle] as LineRow, line)) low = middle + 1
    else high = middle
  }
  lines.splice(low, 0, line)
}
