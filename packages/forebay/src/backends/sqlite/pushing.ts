/** Stores new tasks: dedup, duplicates and bounds first, then the two rows and the place in a line. */

import { createHash } from 'node:crypto'
import type { Database, Statement } from 'better-sqlite3'
import { excessOf } from '../eviction.ts'
import type { Bounds, Dedup, NewTask, PushResult } from '../queue-service.ts'
import { rankOf } from '../rank.ts'
import type { Evicting } from './evicting.ts'
import type { Lines } from './lines.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'
import type { Turns } from './turns.ts'

interface DedupRow {
  readonly taskId: string
  readonly print: Buffer
}

/** Each push forgets up to this many dedup ids whose windows are over, per task, so that the table can only shrink. */
const SWEPT_PER_TASK = 2

export class Pushing {
  readonly #hasId: Statement<[number, string], number>
  readonly #addTask: Statement<[Record<string, unknown>]>
  readonly #addPlace: Statement<[Record<string, unknown>]>
  readonly #findDedup: Statement<[number, string, number], DedupRow>
  readonly #setDedup: Statement<[number, string, string, Buffer, number]>
  readonly #sweepDedup: Statement<[number, number]>
  readonly #lines: Lines
  readonly #turns: Turns
  readonly #evicting: Evicting

  constructor(db: Database, lines: Lines, turns: Turns, evicting: Evicting) {
    this.#lines = lines
    this.#turns = turns
    this.#evicting = evicting
    this.#hasId = db.prepare<[number, string], number>('SELECT seq FROM tasks WHERE queue = ? AND id = ?').pluck()
    this.#addTask = db.prepare(
      `INSERT INTO tasks (queue, id, type, payload, key, headers, createdAt, ttlMs, bytes, ordered, cost, weight)
       VALUES (@queue, @id, @type, @payload, @key, @headers, @createdAt, @ttlMs, @bytes, @ordered, @cost, @weight)`,
    )
    this.#addPlace = db.prepare(
      `INSERT INTO places (seq, queue, line, state, rank, priority, due, expiresAt)
       VALUES (@seq, @queue, @line, @state, @rank, @priority, @due, @expiresAt)`,
    )
    this.#findDedup = db.prepare('SELECT taskId, print FROM dedup WHERE queue = ? AND dedupId = ? AND until > ?')
    this.#setDedup = db.prepare(
      'INSERT OR REPLACE INTO dedup (queue, dedupId, taskId, print, until) VALUES (?, ?, ?, ?, ?)',
    )
    this.#sweepDedup = db.prepare('DELETE FROM dedup WHERE until <= ? LIMIT ?')
  }

  run(queue: QueueRow, moment: Moment, tasks: readonly NewTask[], bounds: Bounds): PushResult[] {
    this.#sweepDedup.run(moment.now, SWEPT_PER_TASK * tasks.length)
    return tasks.map((task) => this.#pushOne(queue, moment, task, bounds))
  }

  #pushOne(queue: QueueRow, moment: Moment, task: NewTask, bounds: Bounds): PushResult {
    const { id, dedup } = task
    const print = dedup && printOf(task)
    const first = dedup && this.#findDedup.get(queue.id, dedup.id, moment.now)
    if (first) return { status: print?.equals(first.print) ? 'duplicate' : 'conflict', id: first.taskId }
    if (this.#hasId.get(queue.id, id) !== undefined) return { status: 'duplicate', id }
    const bytes = Buffer.byteLength(task.payload)
    const queued = { tasks: queue.ready + queue.delayed + queue.inFlight, bytes: queue.bytes }
    const excess = excessOf(bounds, queued, bytes)
    const dropped = excess && this.#evicting.makeRoom(queue, moment, excess, task.priority)
    if (excess && !dropped) return { status: 'full', bound: excess.bound }
    this.#store(queue, moment, task, bytes)
    if (dedup && print) this.#remember(queue, moment, id, dedup, print)
    return { status: 'accepted', id, ...(dropped && { dropped }) }
  }

  #store(queue: QueueRow, moment: Moment, task: NewTask, bytes: number): void {
    const { id, type, payload, priority, key = null, cost = 1, weight = null, headers, delayMs, ttlMs = null } = task
    const ordered = task.ordered ? 1 : 0
    const { lastInsertRowid: seq } = this.#addTask.run({
      queue: queue.id,
      id,
      type,
      payload,
      key,
      headers: headers === undefined ? null : JSON.stringify(headers),
      createdAt: moment.stamp,
      ttlMs,
      bytes,
      ordered,
      cost,
      weight,
    })
    const line = this.#lines.join(queue, { key, weight, cost })
    this.#lines.reweigh(queue, line, weight)
    const blocked = this.#turns.join(queue, { seq, key, ordered })
    const state = blocked ? 'blocked' : delayMs > 0 ? 'delayed' : 'ready'
    const rank = rankOf(moment.now, priority)
    this.#addPlace.run({
      seq,
      queue: queue.id,
      line: line.id,
      state: STATE[state],
      rank,
      priority,
      due: moment.now + delayMs,
      expiresAt: ttlMs === null ? null : moment.now + ttlMs,
    })
    if (state === 'ready') this.#lines.come(queue, line, { rank, priority }, moment.now)
    else queue.delayed++
    queue.accepted++
    queue.bytes += bytes
  }

  #remember(queue: QueueRow, moment: Moment, taskId: string, dedup: Dedup, print: Buffer): void {
    this.#setDedup.run(queue.id, dedup.id, taskId, print, moment.now + dedup.windowMs)
  }
}

/** Tells one task's body from another's. */
function printOf(task: NewTask): Buffer {
  return createHash('sha256').update(JSON.stringify(task.type)).update(task.payload).digest()
}
