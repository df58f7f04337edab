/** What only reads: depth, find, and the list of dead letters. */

import type { Database, Statement } from 'better-sqlite3'
import type { DeadReason } from '../../task.ts'
import type { DeadPage, Depth, FoundTask, Newcomer } from '../queue-service.ts'
import { Ahead } from './ahead.ts'
import type { Lines } from './lines.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'
import { storedTask, TASK_COLUMNS, type TaskRow } from './task-rows.ts'

interface PlacedRow extends TaskRow {
  readonly state: number
  readonly due: number
  readonly reason: DeadReason | null
  readonly deadAt: number | null
}

type DeadRow = PlacedRow & { readonly reason: DeadReason; readonly deadAt: number }

interface ResultRow {
  readonly id: string
  readonly completedAt: number
  readonly result: string
}

const EMPTY: Depth = {
  ready: 0,
  delayed: 0,
  inFlight: 0,
  dead: 0,
  oldestReadyAgeMs: 0,
  bytes: 0,
  totals: { accepted: 0, completed: 0, expired: 0, dropped: 0 },
}

export class Looking {
  readonly #countDue: Statement<[number, number, number], number>
  readonly #earliest: Statement<[number, number], number>
  readonly #find: Statement<[number, string], PlacedRow>
  readonly #result: Statement<[number, string, number], ResultRow>
  readonly #listDead: Statement<[number, number, number, number], DeadRow>
  readonly #ahead: Ahead

  constructor(db: Database, lines: Lines) {
    this.#ahead = new Ahead(db, lines)
    this.#countDue = db
      .prepare<[number, number, number], number>(
        'SELECT count(*) FROM places WHERE queue = ? AND state = ? AND due <= ?',
      )
      .pluck()
    this.#earliest = db
      .prepare<[number, number], number>('SELECT due FROM places WHERE queue = ? AND state = ? ORDER BY due LIMIT 1')
      .pluck()
    this.#find = db.prepare(
      `SELECT ${TASK_COLUMNS}, p.state, p.due, p.reason, p.deadAt FROM tasks t CROSS JOIN places p ON p.seq = t.seq
       WHERE t.queue = ? AND t.id = ?`,
    )
    this.#result = db.prepare('SELECT id, completedAt, result FROM results WHERE queue = ? AND id = ? AND until > ?')
    this.#listDead = db.prepare(
      `SELECT ${TASK_COLUMNS}, p.state, p.due, p.reason, p.deadAt FROM places p CROSS JOIN tasks t ON t.seq = p.seq
       WHERE p.queue = ? AND p.state = 3 AND (p.due, p.seq) > (?, ?) ORDER BY p.due, p.seq LIMIT ?`,
    )
  }

  /**
   * How full the queue is; undefined if a newcomer's place is asked for and something has fallen due, which is to be put in
   * its line first.
   */
  depth(queue: QueueRow | undefined, moment: Moment, newcomer: Newcomer | undefined): Depth | undefined {
    if (!queue) return newcomer ? { ...EMPTY, ahead: 0 } : EMPTY
    if (newcomer && this.#hasFallenDue(queue, moment)) return undefined
    return this.depthNow(queue, moment, newcomer)
  }

  /** The counters, corrected by what has fallen due since the last claim. */
  depthNow(queue: QueueRow, moment: Moment, newcomer: Newcomer | undefined): Depth {
    const { ready, delayed, inFlight, dead, bytes, accepted, completed, expired, dropped } = queue
    const due = this.#countDue.get(queue.id, STATE.delayed, moment.now) ?? 0
    const lapsed = this.#countDue.get(queue.id, STATE.inFlight, moment.now) ?? 0
    return {
      ready: ready + due + lapsed,
      delayed: delayed - due,
      inFlight: inFlight - lapsed,
      dead,
      oldestReadyAgeMs: this.#oldestReadyAge(queue, moment),
      bytes,
      totals: { accepted, completed, expired, dropped },
      // What is due and not in its line yet, because too many were at once, is taken to go first.
      ...(newcomer && { ahead: this.#ahead.of(queue, moment, newcomer) + due + lapsed }),
    }
  }

  #hasFallenDue(queue: QueueRow, { now }: Moment): boolean {
    return [STATE.delayed, STATE.inFlight].some((state) => (this.#earliest.get(queue.id, state) ?? Infinity) <= now)
  }

  #oldestReadyAge(queue: QueueRow, moment: Moment): number {
    const states = [STATE.ready, STATE.delayed, STATE.inFlight]
    const earliest = Math.min(...states.map((state) => this.#earliest.get(queue.id, state) ?? Infinity))
    return Math.max(0, moment.now - earliest)
  }

  find(queue: QueueRow | undefined, moment: Moment, ids: readonly string[]): (FoundTask | undefined)[] {
    return ids.map((id) => (queue ? this.#findOne(queue, moment, id) : undefined))
  }

  #findOne(queue: QueueRow, moment: Moment, id: string): FoundTask | undefined {
    const row = this.#find.get(queue.id, id)
    if (!row) {
      const kept = this.#result.get(queue.id, id, moment.now)
      return kept && { state: 'completed', ...kept }
    }
    const task = storedTask(row)
    if (row.reason !== null && row.deadAt !== null) {
      return { state: 'dead', task, reason: row.reason, deadAt: row.deadAt }
    }
    if (row.state === STATE.blocked) return { state: 'delayed', task }
    if (row.state === STATE.ready || row.due <= moment.now) return { state: 'ready', task }
    return { state: row.state === STATE.delayed ? 'delayed' : 'inFlight', task }
  }

  /** A page's cursor is the last one's time of death and number. */
  listDead(queue: QueueRow | undefined, limit: number, after = ''): DeadPage {
    if (!queue) return { items: [], next: undefined }
    const [due = -Infinity, seq = 0] = after === '' ? [] : after.split('/').map(Number)
    const rows = this.#listDead.all(queue.id, due, seq, limit + 1)
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    return {
      items: shown.map((row) => ({ task: storedTask(row), reason: row.reason, deadAt: row.deadAt })),
      next: last && rows.length > limit ? `${last.due}/${last.seq}` : undefined,
    }
  }
}
