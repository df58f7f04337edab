/** Ends and prolongs claims whose tokens are still good. */

import type { Database, Statement } from 'better-sqlite3'
import type { ClaimRef, ExtendResult, KeptResult, Settlement } from '../queue-service.ts'
import type { Lines } from './lines.ts'
import type { Settled } from './operations.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { STATE } from './schema.ts'
import { addFailure } from './task-rows.ts'
import type { Turns } from './turns.ts'

interface HeldRow {
  readonly seq: number
  readonly line: number
  readonly rank: number
  readonly priority: number
  readonly token: number
  readonly bytes: number
  readonly attempts: number
  readonly failures: string | null
  readonly key: string | null
  readonly ordered: number
}

/** Each settlement that keeps a result forgets up to this many results whose time is over. */
const SWEPT_PER_RESULT = 2

export class Settling {
  readonly #held: Statement<[number, string, number], HeldRow>
  readonly #extend: Statement<[number, number]>
  readonly #deletePlace: Statement<[number]>
  readonly #deleteTask: Statement<[number]>
  readonly #move: Statement<[number, number, number, string | null, number]>
  readonly #die: Statement<[number, string, number, string | null, number]>
  readonly #keep: Statement<[number, string, number, string, number]>
  readonly #sweepResults: Statement<[number, number]>
  readonly #lines: Lines
  readonly #turns: Turns

  constructor(db: Database, lines: Lines, turns: Turns) {
    this.#lines = lines
    this.#turns = turns
    this.#held = db.prepare(
      `SELECT t.seq, p.line, p.rank, p.priority, p.token, t.bytes, p.attempts, p.failures, t.key, t.ordered
       FROM tasks t CROSS JOIN places p ON p.seq = t.seq
       WHERE t.queue = ? AND t.id = ? AND p.state = 2 AND p.due > ?`,
    )
    this.#extend = db.prepare('UPDATE places SET due = ? WHERE seq = ?')
    this.#deletePlace = db.prepare('DELETE FROM places WHERE seq = ?')
    this.#deleteTask = db.prepare('DELETE FROM tasks WHERE seq = ?')
    this.#move = db.prepare('UPDATE places SET state = ?, due = ?, attempts = ?, failures = ? WHERE seq = ?')
    this.#die = db.prepare('UPDATE places SET state = 3, due = ?, reason = ?, deadAt = ?, failures = ? WHERE seq = ?')
    this.#keep = db.prepare(
      'INSERT OR REPLACE INTO results (queue, id, completedAt, result, until) VALUES (?, ?, ?, ?, ?)',
    )
    this.#sweepResults = db.prepare('DELETE FROM results WHERE until <= ? LIMIT ?')
  }

  run(queue: QueueRow, moment: Moment, settlements: readonly Settlement[]): Settled {
    const { openLines } = queue
    let unblocked = false
    const results = settlements.map((settlement) => {
      const held = this.#find(queue, moment, settlement.claim)
      if (!held) return { status: 'stale' as const }
      queue.inFlight--
      this.#lines.ended(queue, this.#lines.get(queue, held.line), moment.now)
      this.#settleOne(queue, moment, settlement, held)
      const isBack = settlement.outcome === 'retry' || settlement.outcome === 'release'
      if (!isBack && this.#turns.leave(queue, moment, held)) unblocked = true
      return { status: 'settled' as const }
    })
    return { results, unblocked: unblocked || queue.openLines > openLines }
  }

  extend(queue: QueueRow, moment: Moment, claims: readonly ClaimRef[], leaseMs: number): ExtendResult[] {
    return claims.map((claim) => {
      const held = this.#find(queue, moment, claim)
      if (!held) return { status: 'stale' }
      this.#extend.run(moment.now + leaseMs, held.seq)
      return { status: 'extended', token: claim.token }
    })
  }

  /** A lease that has ended is lost, also if nobody else has the task yet. */
  #find(queue: QueueRow, moment: Moment, claim: ClaimRef): HeldRow | undefined {
    const held = this.#held.get(queue.id, claim.id, moment.now)
    return held && String(held.token) === claim.token ? held : undefined
  }

  #settleOne(queue: QueueRow, moment: Moment, settlement: Settlement, held: HeldRow): void {
    switch (settlement.outcome) {
      case 'complete':
        this.#forget(queue, held)
        queue.completed++
        if (settlement.keep) this.#keepResult(queue, moment, settlement.claim.id, settlement.keep)
        return
      case 'retry': {
        const failures = addFailure(held.failures, settlement.failure)
        this.#back(queue, moment, settlement.delayMs, { ...held, failures })
        return
      }
      case 'dead':
        queue.dead++
        queue.bytes -= held.bytes
        this.#die.run(
          moment.now,
          settlement.reason,
          moment.stamp,
          addFailure(held.failures, settlement.failure),
          held.seq,
        )
        this.#lines.leave(queue, this.#lines.get(queue, held.line))
        return
      case 'expire':
        this.#forget(queue, held)
        queue.expired++
        return
      case 'release':
        this.#back(queue, moment, settlement.delayMs, { ...held, attempts: held.attempts - 1 })
    }
  }

  #back(queue: QueueRow, moment: Moment, delayMs: number, held: HeldRow): void {
    const state = delayMs > 0 ? 'delayed' : 'ready'
    this.#move.run(STATE[state], moment.now + delayMs, held.attempts, held.failures, held.seq)
    if (state === 'delayed') queue.delayed++
    else this.#lines.come(queue, this.#lines.get(queue, held.line), held, moment.now)
  }

  #forget(queue: QueueRow, held: HeldRow): void {
    this.#deletePlace.run(held.seq)
    this.#deleteTask.run(held.seq)
    this.#lines.leave(queue, this.#lines.get(queue, held.line))
    queue.bytes -= held.bytes
  }

  #keepResult(queue: QueueRow, moment: Moment, id: string, keep: KeptResult): void {
    this.#sweepResults.run(moment.now, SWEPT_PER_RESULT)
    this.#keep.run(queue.id, id, moment.stamp, keep.result, moment.now + keep.keepMs)
  }
}
