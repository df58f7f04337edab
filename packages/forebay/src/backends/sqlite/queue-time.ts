/**
 * Queue time: the one time by which tasks fall due, for all processes that share the file.
 *
 * It starts as wall time and then runs by the monotonic clock that the processes of one boot share: queue time =
 * monotonic + `ahead`, with `ahead` kept in the file beside the name of the monotonic clock's origin. Setting the wall
 * clock therefore moves nothing. After a reboot (another origin) it goes on from the wall clock, but never back behind
 * the last change of the file. Where the system doesn't name its boots, a reboot shows itself by a monotonic clock that
 * is behind that change.
 */

import type { Database, Statement } from 'better-sqlite3'
import type { ClockReading } from './operations.ts'

/** One point in time, for one operation. */
export interface Moment {
  /** Queue time, milliseconds. */
  readonly now: number
  /** Wall time for stamps, epoch milliseconds. */
  readonly stamp: number
  /** Queue time less the caller's monotonic time. */
  readonly ahead: number
}

/** Readings of doubles this large are rounded by less than this. */
const ROUNDING_MS = 1

export class QueueTime {
  readonly #ahead = new Map<string, number>()
  readonly #stored: Statement<[], { origin: string; ahead: number }>
  readonly #touched: Statement<[], number | null>
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
    this.#stored = db.prepare('SELECT origin, ahead FROM queue_time')
    this.#touched = db.prepare<[], number | null>('SELECT max(touched) FROM queues').pluck()
  }

  knows(origin: string): boolean {
    return this.#ahead.has(origin)
  }

  /** Joins the file's queue time, or begins it anew for another origin. Call it in a write transaction. */
  learn(reading: ClockReading): void {
    const stored = this.#stored.get()
    const touched = this.#touched.get() ?? -Infinity
    let ahead = stored?.ahead ?? Number.NaN
    if (stored?.origin !== reading.origin || reading.monotonic + ahead < touched - ROUNDING_MS) {
      ahead = Math.max(reading.now, touched) - reading.monotonic
      this.#db.prepare('DELETE FROM queue_time').run()
      this.#db.prepare('INSERT INTO queue_time (origin, ahead) VALUES (?, ?)').run(reading.origin, ahead)
    }
    this.#ahead.set(reading.origin, ahead)
  }

  at(reading: ClockReading): Moment {
    const ahead = this.#ahead.get(reading.origin)
    if (ahead === undefined) throw new Error(`queue time does not know the origin ${reading.origin}`)
    return { now: reading.monotonic + ahead, stamp: reading.now, ahead }
  }
}
