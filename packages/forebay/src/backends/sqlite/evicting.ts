/**
 * Drops ready tasks that must give way to a newcomer at the queue's bounds. Each policy's index is made the first time that it
 * is needed, so that a queue without such a policy pays nothing; on a long queue that one push takes longer.
 */

import type { Database, Statement } from 'better-sqlite3'
import { type Evicting as Policy, type Excess, victimsOf } from '../eviction.ts'
import type { Lines } from './lines.ts'
import type { Promoting } from './promoting.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import type { Turns } from './turns.ts'

interface ReadyRow {
  readonly seq: number
  readonly line: number
  readonly id: string
  readonly bytes: number
  readonly key: string | null
  readonly ordered: number
}

const INDEXES: Readonly<Record<Policy, string>> = {
  'drop-oldest': 'places_oldest ON places (queue, seq) WHERE state = 0',
  'drop-lowest-priority': 'places_lowest ON places (queue, priority, seq DESC) WHERE state = 0',
}

const COLUMNS = 'p.seq, p.line, t.id, t.bytes, t.key, t.ordered FROM places p CROSS JOIN tasks t ON t.seq = p.seq'

export class Evicting {
  readonly #db: Database
  readonly #oldest: Statement<[number], ReadyRow>
  readonly #lowest: Statement<[number, number], ReadyRow>
  readonly #deletePlace: Statement<[number]>
  readonly #deleteTask: Statement<[number]>
  readonly #lines: Lines
  readonly #turns: Turns
  readonly #promoting: Promoting
  /** Whose indexes are there. Should one be gone again, all is as it was, but slower. */
  readonly #indexed = new Set<Policy>()

  constructor(db: Database, lines: Lines, turns: Turns, promoting: Promoting) {
    this.#db = db
    this.#lines = lines
    this.#turns = turns
    this.#promoting = promoting
    this.#oldest = db.prepare(`SELECT ${COLUMNS} WHERE p.queue = ? AND p.state = 0 ORDER BY p.seq`)
    this.#lowest = db.prepare(
      `SELECT ${COLUMNS} WHERE p.queue = ? AND p.state = 0 AND p.priority < ? ORDER BY p.priority, p.seq DESC`,
    )
    this.#deletePlace = db.prepare('DELETE FROM places WHERE seq = ?')
    this.#deleteTask = db.prepare('DELETE FROM tasks WHERE seq = ?')
  }

  /** The ids of what was dropped; undefined if that was not enough, and then nothing was. */
  makeRoom(queue: QueueRow, moment: Moment, excess: Excess, priority: number): string[] | undefined {
    const { overflow } = excess
    if (!overflow) return undefined
    this.#promoting.run(queue, moment)
    this.#index(overflow)
    const victims = this.#victims(queue, excess, overflow, priority)
    return victims?.map((row) => {
      this.#drop(queue, moment, row)
      return row.id
    })
  }

  #victims(queue: QueueRow, excess: Excess, overflow: Policy, priority: number): ReadyRow[] | undefined {
    const rows = overflow === 'drop-oldest' ? this.#oldest.iterate(queue.id) : this.#lowest.iterate(queue.id, priority)
    try {
      return victimsOf(excess, () => rows.next().value as ReadyRow | undefined)
    } finally {
      rows.return?.()
    }
  }

  #drop(queue: QueueRow, moment: Moment, row: ReadyRow): void {
    this.#deletePlace.run(row.seq)
    this.#deleteTask.run(row.seq)
    const line = this.#lines.get(queue, row.line)
    this.#lines.withdraw(queue, line, moment.now)
    this.#lines.leave(queue, line)
    queue.bytes -= row.bytes
    queue.dropped++
    this.#turns.leave(queue, moment, row)
  }

  #index(overflow: Policy): void {
    if (this.#indexed.has(overflow)) return
    this.#db.exec(`CREATE INDEX IF NOT EXISTS ${INDEXES[overflow]}`)
    this.#indexed.add(overflow)
  }
}
