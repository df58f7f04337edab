/** How many ready tasks are to be granted before one that might come now. Only reads, and ranks only from the index. */

import type { Database, Statement } from 'better-sqlite3'
import { expectedPlace, grantsBefore, placeLine } from '../../flow/fair-order.ts'
import { LINE } from '../line-state.ts'
import type { Newcomer } from '../queue-service.ts'
import { rankOf } from '../rank.ts'
import type { Lines } from './lines.ts'
import type { LineRow, QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'

/** So many other lines are looked at; what the rest sends ahead is taken to be alike. */
const MOST_LOOKED_AT = 1_000

/** If so few or fewer come behind it in its line, those are counted instead of those that go before it. */
const FEW = 10_000

export class Ahead {
  readonly #behind: Statement<[number, number, number], number>
  readonly #before: Statement<[number, number], number>
  readonly #earlier: Statement<[number, number, number], LineRow>
  readonly #countEarlier: Statement<[number, number], number>
  readonly #lines: Lines

  constructor(db: Database, lines: Lines) {
    this.#lines = lines
    this.#behind = db
      .prepare<[number, number, number], number>(
        'SELECT count(*) FROM (SELECT 1 FROM places WHERE line = ? AND state = 0 AND rank > ? LIMIT ?)',
      )
      .pluck()
    this.#before = db
      .prepare<[number, number], number>('SELECT count(*) FROM places WHERE line = ? AND state = 0 AND rank <= ?')
      .pluck()
    this.#earlier = db.prepare(
      `SELECT id, weight, cost, finish, score, entered, ready FROM lines
       WHERE queue = ? AND state = 1 AND score <= ? ORDER BY score, entered LIMIT ?`,
    )
    this.#countEarlier = db
      .prepare<[number, number], number>('SELECT count(*) FROM lines WHERE queue = ? AND state = 1 AND score <= ?')
      .pluck()
  }

  /** Lines that a limit keeps closed are taken to stay so. */
  of(queue: QueueRow, { now }: Moment, { key, weight, priority }: Newcomer): number {
    const own = key === undefined || weight === undefined ? queue.common : this.#lines.find(queue, key, weight)
    const within = this.#within(own, rankOf(now, priority))
    const common = { ...queue.common }
    placeLine(common, this.#lines.first(common)?.priority ?? 0)
    const line = own === queue.common ? common : own
    const place = expectedPlace(queue, line, line.state === LINE.open, { priority, within })
    const earlier = queue.lines === 0 ? [] : this.#earlier.all(queue.id, place.score, MOST_LOOKED_AT)
    const others = earlier.filter(({ id }) => id !== own.id)
    let grants = others.reduce((sum, other) => sum + grantsBefore(place, other), 0)
    if (earlier.length === MOST_LOOKED_AT) {
      grants *= (this.#countEarlier.get(queue.id, place.score) ?? 0) / earlier.length
    }
    if (own !== queue.common && common.state === LINE.open) grants += grantsBefore(place, common)
    return within + Math.round(grants)
  }

  #within(line: LineRow, rank: number): number {
    const behind = this.#behind.get(line.id, rank, FEW + 1) ?? 0
    return behind <= FEW ? line.ready - behind : (this.#before.get(line.id, rank) ?? 0)
  }
}
