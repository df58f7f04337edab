/** Makes ready what has fallen due: delays that are over, and tasks whose leases have ended. */

import type { Database, Statement } from 'better-sqlite3'
import type { Lines, Placed } from './lines.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'

/** So many tasks that fell due are made ready at a time: bounds the time of a claim when very many fall due at once. */
const PROMOTED_AT_ONCE = 5_000

interface Promoted extends Placed {
  readonly seq: number
  readonly line: number
  readonly due: number
}

const WAITS = ['delayed', 'inFlight'] as const

export class Promoting {
  readonly #promote: Statement<[number, number, number, number]>
  readonly #promoteEach: Statement<[number, number, number, number], Promoted>
  readonly #nextDue: Statement<[number, number], number>
  readonly #lines: Lines

  constructor(db: Database, lines: Lines) {
    this.#lines = lines
    const due = 'UPDATE places SET state = 0 WHERE queue = ? AND state = ? AND due <= ?'
    this.#promote = db.prepare(`${due} LIMIT ?`)
    this.#promoteEach = db.prepare(`${due} RETURNING seq, line, due, rank, priority LIMIT ?`)
    this.#nextDue = db
      .prepare<[number, number], number>('SELECT due FROM places WHERE queue = ? AND state = ? ORDER BY due LIMIT 1')
      .pluck()
  }

  run(queue: QueueRow, moment: Moment): void {
    if (queue.lines === 0) this.#runCommon(queue, moment)
    else this.#runEach(queue, moment)
  }

  /** Where all stand in the common line it does not matter which they are. */
  #runCommon(queue: QueueRow, { now }: Moment): void {
    for (const from of WAITS) {
      const count = this.#promote.run(queue.id, STATE[from], now, PROMOTED_AT_ONCE).changes
      queue[from] -= count
      this.#lines.comeMany(queue, count, now)
    }
  }

  /** In the order in which they fell due, so that their lines open in that order. */
  #runEach(queue: QueueRow, { now }: Moment): void {
    const due = WAITS.flatMap((from) => {
      const rows = this.#promoteEach.all(queue.id, STATE[from], now, PROMOTED_AT_ONCE)
      return rows.map((task) => ({ task, from }))
    })
    due.sort(({ task: a }, { task: b }) => a.due - b.due || a.seq - b.seq)
    for (const { task, from } of due) {
      const line = this.#lines.get(queue, task.line)
      queue[from]--
      if (from === 'inFlight') this.#lines.ended(queue, line, now)
      this.#lines.come(queue, line, task, now)
    }
  }

  /** When the next one falls due; undefined if none is delayed or in flight. */
  nextDue(queue: QueueRow): number | undefined {
    const delayed = this.#nextDue.get(queue.id, STATE.delayed)
    const lease = this.#nextDue.get(queue.id, STATE.inFlight)
    return delayed === undefined || (lease !== undefined && lease < delayed) ? lease : delayed
  }
}
