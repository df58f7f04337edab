/** Grants tasks: first what has fallen due is made ready, then the first ones by rank are leased under new tokens. */

import type { Database, Statement } from 'better-sqlite3'
import type { Claim } from '../queue-service.ts'
import type { Granted, Operations } from './operations.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'
import { storedTask, TASK_COLUMNS, type TaskRow } from './task-rows.ts'

interface ReadyRow extends TaskRow {
  readonly due: number
  readonly expiresAt: number | null
}

/** So many tasks that fell due are made ready at a time: bounds the time of a claim when very many fall due at once. */
const PROMOTED_AT_ONCE = 5_000

export class Claiming {
  readonly #promote: Statement<[number, number, number, number]>
  readonly #select: Statement<[number, number], ReadyRow>
  readonly #lease: Statement<[number, number, number]>
  readonly #nextDue: Statement<[number, number], number>
  readonly #anyReady: Statement<[number], number>

  constructor(db: Database) {
    this.#promote = db.prepare('UPDATE places SET state = 0 WHERE queue = ? AND state = ? AND due <= ? LIMIT ?')
    this.#select = db.prepare(
      `SELECT ${TASK_COLUMNS}, p.due, p.expiresAt FROM places p CROSS JOIN tasks t ON t.seq = p.seq
       WHERE p.queue = ? AND p.state = 0 ORDER BY p.rank, p.seq LIMIT ?`,
    )
    this.#lease = db.prepare('UPDATE places SET state = 2, due = ?, token = ?, attempts = attempts + 1 WHERE seq = ?')
    this.#nextDue = db
      .prepare<[number, number], number>('SELECT due FROM places WHERE queue = ? AND state = ? ORDER BY due LIMIT 1')
      .pluck()
    this.#anyReady = db.prepare<[number], number>('SELECT 1 FROM places WHERE queue = ? AND state = 0 LIMIT 1').pluck()
  }

  /** What a claim that finds nothing is answered with; undefined if there is something to grant. Only reads. */
  nothing(queue: QueueRow | undefined, moment: Moment, count: number): Granted | undefined {
    const grants = Array.from({ length: count }, () => [])
    if (!queue) return { grants, nextDue: undefined }
    if (this.#anyReady.get(queue.id) !== undefined) return undefined
    const nextDue = this.#earliestDue(queue)
    if (nextDue !== undefined && nextDue <= moment.now) return undefined
    return { grants, nextDue: nextDue === undefined ? undefined : nextDue - moment.ahead }
  }

  run(queue: QueueRow, moment: Moment, requests: Operations['claim']['in']['requests']): Granted {
    this.#promoteDue(queue, moment)
    const grants = requests.map(({ max, leaseMs }) => (queue.ready > 0 ? this.#grant(queue, moment, max, leaseMs) : []))
    const nextDue = this.#earliestDue(queue)
    return { grants, nextDue: nextDue === undefined ? undefined : nextDue - moment.ahead }
  }

  #grant(queue: QueueRow, moment: Moment, max: number, leaseMs: number): Claim[] {
    const claims = this.#select.all(queue.id, max).map((row) => {
      const token = ++queue.grants
      this.#lease.run(moment.now + leaseMs, token, row.seq)
      const task = { ...storedTask(row), attempts: row.attempts + 1 }
      const expired = row.expiresAt !== null && row.expiresAt <= moment.now
      return { id: row.id, token: String(token), task, waitedMs: moment.now - row.due, expired }
    })
    queue.ready -= claims.length
    queue.inFlight += claims.length
    return claims
  }

  #promoteDue(queue: QueueRow, moment: Moment): void {
    const delayed = this.#promote.run(queue.id, STATE.delayed, moment.now, PROMOTED_AT_ONCE).changes
    const lapsed = this.#promote.run(queue.id, STATE.inFlight, moment.now, PROMOTED_AT_ONCE).changes
    queue.delayed -= delayed
    queue.inFlight -= lapsed
    queue.ready += delayed + lapsed
  }

  #earliestDue(queue: QueueRow): number | undefined {
    const delayed = this.#nextDue.get(queue.id, STATE.delayed)
    const lease = this.#nextDue.get(queue.id, STATE.inFlight)
    return delayed === undefined || (lease !== undefined && lease < delayed) ? lease : delayed
  }
}
