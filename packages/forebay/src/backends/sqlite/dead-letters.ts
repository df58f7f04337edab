/** Redrives and drops dead letters, a part at a time, so that a hundred thousand of them hold up nobody. */

import type { Database, Statement } from 'better-sqlite3'
import { rankOf } from '../rank.ts'
import type { Lines } from './lines.ts'
import type { DeadPart, DeadPartDone } from './operations.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'
import type { Turns } from './turns.ts'

interface DeadRow {
  readonly seq: number
  readonly bytes: number
  readonly priority: number
  readonly ttlMs: number | null
  readonly key: string | null
  readonly ordered: number
  readonly weight: number | null
  readonly cost: number
}

export class DeadOnes {
  readonly #one: Statement<[number, string], DeadRow>
  readonly #oldest: Statement<[number, number, number], DeadRow>
  readonly #revive: Statement<[number, number, number, number, number | null, number]>
  readonly #deletePlace: Statement<[number]>
  readonly #deleteTask: Statement<[number]>
  readonly #lines: Lines
  readonly #turns: Turns

  constructor(db: Database, lines: Lines, turns: Turns) {
    this.#lines = lines
    this.#turns = turns
    const columns = 't.seq, t.bytes, p.priority, t.ttlMs, t.key, t.ordered, t.weight, t.cost'
    this.#one = db.prepare(
      `SELECT ${columns} FROM tasks t CROSS JOIN places p ON p.seq = t.seq
       WHERE t.queue = ? AND t.id = ? AND p.state = 3`,
    )
    this.#oldest = db.prepare(
      `SELECT ${columns} FROM places p CROSS JOIN tasks t ON t.seq = p.seq
       WHERE p.queue = ? AND p.state = 3 AND p.due <= ? ORDER BY p.due, p.seq LIMIT ?`,
    )
    this.#revive = db.prepare(
      `UPDATE places SET line = ?, state = ?, rank = ?, due = ?, expiresAt = ?, attempts = 0, reason = NULL, deadAt = NULL
       WHERE seq = ?`,
    )
    this.#deletePlace = db.prepare('DELETE FROM places WHERE seq = ?')
    this.#deleteTask = db.prepare('DELETE FROM tasks WHERE seq = ?')
  }

  /** They are placed as if they had just come: their old place would put them before everything that waits. */
  redrive(queue: QueueRow, moment: Moment, part: DeadPart): DeadPartDone {
    const { now } = moment
    return this.#each(queue, moment, part, (row) => {
      const { seq, bytes, priority, ttlMs } = row
      const rank = rankOf(now, priority)
      const line = this.#lines.join(queue, row)
      const state = this.#turns.join(queue, row) ? 'blocked' : 'ready'
      this.#revive.run(line.id, STATE[state], rank, now, ttlMs === null ? null : now + ttlMs, seq)
      if (state === 'ready') this.#lines.come(queue, line, { rank, priority }, now)
      else queue.delayed++
      queue.bytes += bytes
    })
  }

  drop(queue: QueueRow, moment: Moment, part: DeadPart): DeadPartDone {
    return this.#each(queue, moment, part, ({ seq }) => {
      this.#deletePlace.run(seq)
      this.#deleteTask.run(seq)
      queue.dropped++
    })
  }

  #each(queue: QueueRow, moment: Moment, part: DeadPart, act: (row: DeadRow) => void): DeadPartDone {
    const { which, limit, until = moment.now } = part
    let count = 0
    const one = (row: DeadRow | undefined) => {
      if (!row) return
      act(row)
      queue.dead--
      count++
    }
    if (which === 'all') this.#oldest.all(queue.id, until, limit).forEach(one)
    else for (const id of which) one(this.#one.get(queue.id, id))
    return { count, until }
  }
}
