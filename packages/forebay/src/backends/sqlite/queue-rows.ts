/** The row of each queue: its counters, so that depth and bounds need no counting. */

import type { Database, Statement } from 'better-sqlite3'

/** Changed in place by an operation and saved in the same transaction as what it counts. */
export interface QueueRow {
  readonly id: number
  /** As of the last change: what has fallen due since is still counted as delayed or in flight. */
  ready: number
  delayed: number
  inFlight: number
  dead: number
  /** Payload bytes of ready, delayed and in-flight tasks. */
  bytes: number
  accepted: number
  completed: number
  expired: number
  dropped: number
  /** The last token. */
  grants: number
}

export class QueueRows {
  readonly #load: Statement<[string], QueueRow>
  readonly #add: Statement<[string]>
  readonly #save: Statement<[QueueRow & { now: number }]>

  constructor(db: Database) {
    this.#load = db.prepare(
      `SELECT id, ready, delayed, inFlight, dead, bytes, accepted, completed, expired, dropped, grants
       FROM queues WHERE name = ?`,
    )
    this.#add = db.prepare('INSERT INTO queues (name) VALUES (?)')
    this.#save = db.prepare(
      `UPDATE queues SET ready = @ready, delayed = @delayed, inFlight = @inFlight, dead = @dead, bytes = @bytes,
         accepted = @accepted, completed = @completed, expired = @expired, dropped = @dropped, grants = @grants,
         touched = max(touched, @now)
       WHERE id = @id`,
    )
  }

  find(name: string): QueueRow | undefined {
    return this.#load.get(name)
  }

  findOrAdd(name: string): QueueRow {
    const row = this.find(name)
    if (row) return row
    this.#add.run(name)
    return this.find(name) as QueueRow
  }

  save(row: QueueRow, now: number): void {
    this.#save.run({ ...row, now })
  }
}
