/**
 * The order of keys: of the ordered tasks of one key only the first in line may be ready, delayed or in flight. The others
 * are blocked (and counted as delayed), until the one before them is over.
 */

import type { Database, Statement } from 'better-sqlite3'
import type { Lines, Placed } from './lines.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'

interface Turn {
  readonly turn: number
  readonly seq: number
}

interface Blocked extends Placed {
  readonly due: number
  readonly line: number
}

interface Ordered {
  readonly seq: number | bigint
  readonly key: string | null
  readonly ordered: number
}

export class Turns {
  readonly #first: Statement<[number, string], Turn>
  readonly #add: Statement<[number, string, number | bigint]>
  readonly #delete: Statement<[number]>
  readonly #blocked: Statement<[number], Blocked>
  readonly #unblock: Statement<[number, number, number]>
  readonly #lines: Lines

  constructor(db: Database, lines: Lines) {
    this.#lines = lines
    this.#first = db.prepare('SELECT turn, seq FROM turns WHERE queue = ? AND key = ? ORDER BY turn LIMIT 1')
    this.#add = db.prepare('INSERT INTO turns (queue, key, seq) VALUES (?, ?, ?)')
    this.#delete = db.prepare('DELETE FROM turns WHERE turn = ?')
    this.#blocked = db.prepare('SELECT due, line, rank, priority FROM places WHERE seq = ?')
    this.#unblock = db.prepare('UPDATE places SET state = ?, due = ? WHERE seq = ?')
  }

  /** Puts it at the end of its key's line; whether it is blocked there. */
  join(queue: QueueRow, { seq, key, ordered }: Ordered): boolean {
    if (!ordered || key === null) return false
    const blocked = this.#first.get(queue.id, key) !== undefined
    this.#add.run(queue.id, key, seq)
    return blocked
  }

  /**
   * Takes the first of a line out of it. The next one waits out its own delay, or is ready as of now: whether there was
   * one.
   */
  leave(queue: QueueRow, moment: Moment, { key, ordered }: Ordered): boolean {
    if (!ordered || key === null) return false
    const first = this.#first.get(queue.id, key)
    if (first) this.#delete.run(first.turn)
    const next = this.#first.get(queue.id, key)
    if (!next) return false
    const place = this.#blocked.get(next.seq) as Blocked
    if (place.due > moment.now) {
      this.#unblock.run(STATE.delayed, place.due, next.seq)
    } else {
      this.#unblock.run(STATE.ready, moment.now, next.seq)
      queue.delayed--
      this.#lines.come(queue, this.#lines.get(queue, place.line), place, moment.now)
    }
    return true
  }
}
