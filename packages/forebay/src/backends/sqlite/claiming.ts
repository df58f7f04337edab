/** Grants tasks: first what has fallen due is made ready, then those whose turn it is are leased under new tokens. */

import type { Database, Statement } from 'better-sqlite3'
import type { Claim } from '../queue-service.ts'
import { Granting } from './granting.ts'
import type { Lines } from './lines.ts'
import type { AskedFor, Granted } from './operations.ts'
import type { Promoting } from './promoting.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { storedTask } from './task-rows.ts'

export class Claiming {
  readonly #lease: Statement<[number, number, number]>
  readonly #lines: Lines
  readonly #promoting: Promoting
  readonly #granting: Granting

  constructor(db: Database, lines: Lines, promoting: Promoting) {
    this.#lines = lines
    this.#promoting = promoting
    this.#granting = new Granting(db, lines)
    this.#lease = db.prepare('UPDATE places SET state = 2, due = ?, token = ?, attempts = attempts + 1 WHERE seq = ?')
  }

  /** What a claim that finds nothing is answered with; undefined if there may be something to grant. Only reads. */
  nothing(queue: QueueRow | undefined, moment: Moment, requests: readonly AskedFor[]): Granted | undefined {
    const grants = requests.map(() => [])
    if (!queue) return { grants, nextDue: undefined }
    if (queue.openLines > 0) return undefined
    const next = this.#next(queue)
    if (next <= moment.now) return undefined
    if (requests.some(({ perKey }) => this.#lines.wouldMatter(queue, perKey, moment.now))) return undefined
    return { grants, nextDue: byCaller(next, moment) }
  }

  run(queue: QueueRow, moment: Moment, requests: readonly AskedFor[]): Granted {
    this.#promoting.run(queue, moment)
    const grants = requests.map((request) => this.#grant(queue, moment, request))
    return { grants, nextDue: byCaller(this.#next(queue), moment) }
  }

  #grant(queue: QueueRow, { now }: Moment, { max, leaseMs, perKey }: AskedFor): Claim[] {
    this.#lines.limit(queue, perKey, now)
    const claims: Claim[] = []
    this.#granting.run(queue, max, now, (row) => {
      const token = ++queue.grants
      this.#lease.run(now + leaseMs, token, row.seq)
      const task = { ...storedTask(row), attempts: row.attempts + 1 }
      const expired = row.expiresAt !== null && row.expiresAt <= now
      claims.push({ id: row.id, token: String(token), task, waitedMs: now - row.due, expired })
    })
    return claims
  }

  /** When there is more to grant without anybody's doing; Infinity: never. */
  #next(queue: QueueRow): number {
    return Math.min(this.#promoting.nextDue(queue) ?? Infinity, this.#lines.nextOpening(queue) ?? Infinity)
  }
}

function byCaller(time: number, { ahead }: Moment): number | undefined {
  return time === Infinity ? undefined : time - ahead
}
