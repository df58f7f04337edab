/**
 * The lines of a queue within one operation: rows of `lines`, read when they are needed, changed in memory and written once.
 * What happens to a line is ../line-state.ts's; here the rows, the counts and the forgetting of those that are empty.
 */

import type { Database, Statement } from 'better-sqlite3'
import { reweighLine } from '../../flow/fair-order.ts'
import { nextAfterChange, sameSettings } from '../../flow/key-limits.ts'
import { grantOf, LINE, settleLine } from '../line-state.ts'
import type { KeyLimits } from '../queue-service.ts'
import { type LineRow, newLine, type QueueRow } from './queue-rows.ts'

/** A ready task, as far as its line's place depends on it. */
export interface Placed {
  readonly rank: number
  readonly priority: number
}

/** Each operation forgets up to so many empty lines, and two more for each that it changed, so that they can only get fewer. */
const SWEPT = 2

/** So many lines whose time has come are opened at a time: bounds the time of a claim when very many open at once. */
const OPENED_AT_ONCE = 5_000

const NO_LIMITS: KeyLimits = {}

export class Lines {
  readonly #byId: Statement<[number], LineRow>
  readonly #byKey: Statement<[number, string], LineRow>
  readonly #add: Statement<[number, string, number, number]>
  readonly #saveCounts: Statement<number[]>
  readonly #savePlace: Statement<number[]>
  readonly #first: Statement<[number], Placed>
  readonly #inOrder: Statement<[number, number], LineRow>
  readonly #limited: Statement<[number], LineRow>
  readonly #opening: Statement<[number, number, number], LineRow>
  readonly #nextOpening: Statement<[number], number>
  readonly #wouldMatter: Statement<[number, number, number, number], number>
  readonly #rest: Statement<[number, number, number], { readonly tasks: number }>
  readonly #forget: Statement<[number, number, number]>
  /** Those of this operation. */
  readonly #known = new Map<number, LineRow>()
  readonly #changed = new Set<LineRow>()
  /** As they stand in the file. */
  readonly #stored = new Map<LineRow, LineRow>()

  constructor(db: Database) {
    // The index of limited lines is used only by a statement that has its term, `state > 1`.
    const columns =
      'id, weight, cost, state, finish, score, entered, ready, inFlight, tasks, nextAt, rank, priority FROM lines'
    this.#byId = db.prepare(`SELECT ${columns} WHERE id = ?`)
    this.#byKey = db.prepare(`SELECT ${columns} WHERE queue = ? AND key = ?`)
    this.#add = db.prepare('INSERT INTO lines (queue, key, weight, cost) VALUES (?, ?, ?, ?)')
    this.#saveCounts = db.prepare(
      'UPDATE lines SET ready = ?, inFlight = ?, tasks = ?, rank = ?, priority = ?, cost = ?, weight = ? WHERE id = ?',
    )
    this.#savePlace = db.prepare(
      'UPDATE lines SET state = ?, finish = ?, score = ?, entered = ?, nextAt = ? WHERE id = ?',
    )
    this.#first = db.prepare(
      'SELECT rank, priority FROM places WHERE line = ? AND state = 0 ORDER BY rank, seq LIMIT 1',
    )
    this.#inOrder = db.prepare(`SELECT ${columns} WHERE queue = ? AND state = 1 ORDER BY score, entered LIMIT ?`)
    this.#limited = db.prepare(`SELECT ${columns} WHERE queue = ? AND state > 1 ORDER BY entered`)
    this.#opening = db.prepare(
      `SELECT ${columns} WHERE queue = ? AND state > 1 AND state = 2 AND nextAt <= ? ORDER BY nextAt, entered LIMIT ?`,
    )
    this.#nextOpening = db
      .prepare<[number], number>(
        'SELECT nextAt FROM lines WHERE queue = ? AND state > 1 AND state = 2 ORDER BY nextAt LIMIT 1',
      )
      .pluck()
    this.#wouldMatter = db
      .prepare<[number, number, number, number], number>(
        `SELECT 1 FROM lines WHERE queue = ? AND state > 1
           AND (nextAt > ? OR (state IN (2, 3) AND inFlight < ? AND nextAt <= ?)) LIMIT 1`,
      )
      .pluck()
    this.#rest = db.prepare(
      'UPDATE lines SET state = 0 WHERE queue = ? AND state > 1 AND state = 4 AND nextAt <= ? RETURNING tasks LIMIT ?',
    )
    this.#forget = db.prepare('DELETE FROM lines WHERE queue = ? AND state = 0 AND tasks = 0 AND finish <= ? LIMIT ?')
  }

  /** An operation begins: what an earlier one knew may be out of date. */
  begin(): void {
    this.#known.clear()
    this.#changed.clear()
    this.#stored.clear()
  }

  /** Writes what the operation changed, and forgets lines of which nothing is queued. */
  save(queue: QueueRow, now: number): void {
    const swept = SWEPT * (1 + this.#changed.size)
    this.write(queue)
    if (queue.restingLines > 0) {
      const rested = this.#rest.all(queue.id, now, swept)
      queue.restingLines -= rested.length
      queue.emptyLines += rested.filter(({ tasks }) => tasks === 0).length
    }
    if (queue.emptyLines === 0) return
    const forgotten = this.#forget.run(queue.id, queue.virtual, swept).changes
    queue.emptyLines -= forgotten
    queue.lines -= forgotten
  }

  /** The line of a task that comes in, one more of its tasks; `leave` it when the task is gone. */
  join(queue: QueueRow, { key, weight, cost }: { key: string | null; weight: number | null; cost: number }): LineRow {
    if (key === null || weight === null) return queue.common
    const line = this.#keep(this.#byKey.get(queue.id, key)) ?? this.#new(queue, key, weight, cost)
    line.tasks++
    this.#changed.add(line)
    return line
  }

  /** The weight of a key is what its latest task says. */
  reweigh(queue: QueueRow, line: LineRow, weight: number | null): void {
    if (line === queue.common || weight === null || line.weight === weight) return
    reweighLine(queue, line, weight, line.state === LINE.open)
    this.#changed.add(line)
  }

  /** The line of a key, as it is or would be; only reads. */
  find(queue: QueueRow, key: string, weight: number): LineRow {
    return this.#byKey.get(queue.id, key) ?? newLine(0, weight, 1)
  }

  /** A task of the line is gone for good, or dead. */
  leave(queue: QueueRow, line: LineRow): void {
    if (line === queue.common) return
    line.tasks--
    this.#changed.add(line)
  }

  get(queue: QueueRow, id: number): LineRow {
    if (id < 0) return queue.common
    return this.#known.get(id) ?? (this.#keep(this.#byId.get(id)) as LineRow)
  }

  /** A task of the line is ready. */
  come(queue: QueueRow, line: LineRow, task: Placed, now: number): void {
    queue.ready++
    line.ready++
    const isFirst = line.ready === 1 || task.rank < line.rank
    if (isFirst) Object.assign(line, { rank: task.rank, priority: task.priority })
    // Of two with one rank the older one is the first.
    else if (task.rank === line.rank && line !== queue.common) this.#lookUpFirst(line)
    this.#settle(queue, line, now)
  }

  /** So many tasks of the common line are ready. */
  comeMany(queue: QueueRow, count: number, now: number): void {
    if (count === 0) return
    queue.ready += count
    queue.common.ready += count
    this.#settle(queue, queue.common, now)
  }

  /**
   * The first task of the line is granted.
   * @param next The first one from now on; undefined if there is none, or if it does not count.
   */
  grant(queue: QueueRow, line: LineRow, task: Placed & { cost: number }, next: Placed | undefined, now: number): void {
    queue.ready--
    queue.inFlight++
    line.ready--
    grantOf(queue, line, task, this.#limitsOf(queue, line), now)
    if (next) Object.assign(line, { rank: next.rank, priority: next.priority })
    this.#settle(queue, line, now)
  }

  /** A ready task of the line is gone; its row too. */
  withdraw(queue: QueueRow, line: LineRow, now: number): void {
    queue.ready--
    line.ready--
    if (line.ready > 0 && line !== queue.common) this.#lookUpFirst(line)
    this.#settle(queue, line, now)
  }

  /** A task in flight is over or back. */
  ended(queue: QueueRow, line: LineRow, now: number): void {
    if (line === queue.common) return
    line.inFlight--
    this.#settle(queue, line, now)
  }

  /** Whether the line is open at this time; limits that were set after it opened may close it. */
  isOpen(queue: QueueRow, line: LineRow, now: number): boolean {
    if (line !== queue.common) this.#settle(queue, line, now)
    return line.state === LINE.open
  }

  /** Sets the keys' limits, and opens what a limit or a time has kept closed until now. */
  limit(queue: QueueRow, limits: KeyLimits = NO_LIMITS, now: number): void {
    this.#change(queue, limits, now)
    if (queue.lines === 0 || queue.limits.perSecond === undefined) return
    this.write(queue)
    for (const row of this.#opening.all(queue.id, now, OPENED_AT_ONCE)) this.#settle(queue, this.#keep(row), now)
  }

  #change(queue: QueueRow, limits: KeyLimits, now: number): void {
    if (sameSettings(limits, queue.limits)) return
    this.write(queue)
    // Limits under which nothing can be granted do not displace those of others.
    if (queue.openLines === 0 && !this.wouldMatter(queue, limits, now)) return
    queue.limits = limits
    if (queue.lines === 0) return
    for (const row of this.#limited.all(queue.id)) {
      const line = this.#keep(row)
      line.nextAt = nextAfterChange(line.nextAt, limits, now)
      this.#settle(queue, line, now)
    }
  }

  /** The first open lines of keys, by the order among them. */
  inOrder(queue: QueueRow, count: number): LineRow[] {
    if (queue.lines === 0) return []
    this.write(queue)
    return this.#inOrder.all(queue.id, count).map((row) => this.#keep(row))
  }

  /** The first ready task of a line. */
  first(line: LineRow): Placed | undefined {
    return this.#first.get(line.id)
  }

  /** When a line opens by itself; undefined if none waits for that. Only reads. */
  nextOpening(queue: QueueRow): number | undefined {
    // Without a rate no line waits for its time.
    const mayWait = queue.lines > 0 && queue.limits.perSecond !== undefined
    return mayWait ? this.#nextOpening.get(queue.id) : undefined
  }

  /** Whether these limits would open a line that those in force keep closed, or bring its time nearer. Only reads. */
  wouldMatter(queue: QueueRow, limits: KeyLimits = NO_LIMITS, now: number): boolean {
    if (queue.lines === 0 || sameSettings(limits, queue.limits)) return false
    const { concurrency = Infinity, perSecond } = limits
    const nearer = nextAfterChange(Infinity, limits, now)
    return this.#wouldMatter.get(queue.id, nearer, concurrency, perSecond === undefined ? Infinity : now) !== undefined
  }

  #new(queue: QueueRow, key: string, weight: number, cost: number): LineRow {
    const { lastInsertRowid } = this.#add.run(queue.id, key, weight, cost)
    queue.lines++
    queue.emptyLines++
    return this.#keep(newLine(Number(lastInsertRowid), weight, cost))
  }

  #lookUpFirst(line: LineRow): void {
    Object.assign(line, this.first(line))
  }

  #limitsOf(queue: QueueRow, line: LineRow): KeyLimits {
    return line === queue.common ? NO_LIMITS : queue.limits
  }

  #settle(queue: QueueRow, line: LineRow, now: number): void {
    settleLine(queue, line, line.priority, this.#limitsOf(queue, line), now)
    if (line !== queue.common) this.#changed.add(line)
  }

  /** The row as this operation knows it. */
  #keep(row: LineRow): LineRow
  #keep(row: LineRow | undefined): LineRow | undefined
  #keep(row: LineRow | undefined): LineRow | undefined {
    if (!row) return undefined
    const known = this.#known.get(row.id)
    if (known) return known
    this.#known.set(row.id, row)
    this.#stored.set(row, { ...row })
    return row
  }

  /** Writes what the operation has changed so far. */
  write(queue: QueueRow): void {
    for (const line of this.#changed) this.#writeOne(queue, line)
    this.#changed.clear()
  }

  #writeOne(queue: QueueRow, line: LineRow): void {
    const before = this.#stored.get(line) as LineRow
    queue.emptyLines += Number(isEmpty(line)) - Number(isEmpty(before))
    queue.restingLines += Number(isResting(line)) - Number(isResting(before))
    const { id, ready, inFlight, tasks, rank, priority, cost, weight, state, finish, score, entered, nextAt } = line
    this.#saveCounts.run(ready, inFlight, tasks, rank, priority, cost, weight, id)
    if (before.entered !== entered || before.score !== score || before.state !== state || before.nextAt !== nextAt) {
      this.#savePlace.run(state, finish, score, entered, nextAt, id)
    }
    this.#stored.set(line, { ...line })
  }
}

function isEmpty({ state, tasks }: LineRow): boolean {
  return state === LINE.idle && tasks === 0
}

function isResting({ state }: LineRow): boolean {
  return state === LINE.resting
}
