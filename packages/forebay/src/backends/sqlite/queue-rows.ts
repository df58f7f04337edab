/**
 * The row of each queue: its counters, so that depth and bounds need no counting, what its lines have in common, and its
 * common line.
 */

import type { Database, Statement } from 'better-sqlite3'
import type { FairTime } from '../../flow/fair-order.ts'
import { LINE, type LineState } from '../line-state.ts'
import type { KeyLimits } from '../queue-service.ts'

/** A line as a row of `lines`, or as the part of a queue's row that is the common one. Changed in place. */
export interface LineRow extends LineState {
  readonly id: number
  ready: number
  /** Of the first ready task; of no meaning where none is, and in the common line, which looks them up when they count. */
  rank: number
  priority: number
  /** How many tasks of it are queued, in whatever state; not kept of the common line. */
  tasks: number
}

interface Counters extends FairTime {
  readonly id: number
  /** As of the last change: what has fallen due since is still counted as delayed or in flight. */
  ready: number
  delayed: number
  inFlight: number
  dead: number
  /** Payload bytes of ready, delayed and in-flight tasks. */
  bytes: number
  accepted: number
  completed: number
  expired: number
  dropped: number
  /** The last token. */
  grants: number
  /** How many keys have lines; of them: those that are empty, and those that are remembered only for their rate. */
  lines: number
  emptyLines: number
  restingLines: number
}

/** Changed in place by an operation and saved in the same transaction as what it counts. */
export interface QueueRow extends Counters {
  readonly common: LineRow
  /** Of each key that has a line. */
  limits: KeyLimits
}

interface Stored extends Counters {
  readonly commonReady: number
  readonly commonFinish: number
  readonly commonEntered: number
  readonly commonCost: number
  readonly keyConcurrency: number | null
  readonly keyPerSecond: number | null
}

/** All but the number, in the order in which they are saved. */
const COLUMNS = [
  'ready',
  'delayed',
  'inFlight',
  'dead',
  'bytes',
  'accepted',
  'completed',
  'expired',
  'dropped',
  'grants',
  'lines',
  'emptyLines',
  'restingLines',
  'virtual',
  'greatest',
  'openLines',
  'openWeight',
  'entries',
  'commonReady',
  'commonFinish',
  'commonEntered',
  'commonCost',
  'keyConcurrency',
  'keyPerSecond',
] as const satisfies readonly (keyof Stored)[]

export class QueueRows {
  readonly #load: Statement<[string], Stored>
  readonly #add: Statement<[string]>
  readonly #save: Statement<(number | null)[]>

  constructor(db: Database) {
    this.#load = db.prepare(`SELECT id, ${COLUMNS.join(', ')} FROM queues WHERE name = ?`)
    this.#add = db.prepare('INSERT INTO queues (name) VALUES (?)')
    const columns = COLUMNS.map((column) => `${column} = ?`).join(', ')
    this.#save = db.prepare(`UPDATE queues SET ${columns}, touched = max(touched, ?) WHERE id = ?`)
  }

  find(name: string): QueueRow | undefined {
    const row = this.#load.get(name)
    if (!row) return undefined
    const { keyConcurrency, keyPerSecond } = row
    return Object.assign(row, {
      common: commonLine(row),
      limits: {
        ...(keyConcurrency !== null && { concurrency: keyConcurrency }),
        ...(keyPerSecond !== null && { perSecond: keyPerSecond }),
      },
    })
  }

  findOrAdd(name: string): QueueRow {
    const row = this.find(name)
    if (row) return row
    this.#add.run(name)
    return this.find(name) as QueueRow
  }

  save(queue: QueueRow, now: number): void {
    const { common, limits } = queue
    this.#save.run(
      queue.ready,
      queue.delayed,
      queue.inFlight,
      queue.dead,
      queue.bytes,
      queue.accepted,
      queue.completed,
      queue.expired,
      queue.dropped,
      queue.grants,
      queue.lines,
      queue.emptyLines,
      queue.restingLines,
      queue.virtual,
      queue.greatest,
      queue.openLines,
      queue.openWeight,
      queue.entries,
      common.ready,
      common.finish,
      common.entered,
      common.cost,
      limits.concurrency ?? null,
      limits.perSecond ?? null,
      now,
      queue.id,
    )
  }
}

function commonLine({ id, commonReady, commonFinish, commonEntered, commonCost }: Stored): LineRow {
  return Object.assign(newLine(-id, 1, commonCost), {
    state: commonReady > 0 ? LINE.open : LINE.idle,
    finish: commonFinish,
    entered: commonEntered,
    ready: commonReady,
  })
}

/** Of which nothing is queued. */
export function newLine(id: number, weight: number, cost: number): LineRow {
  return {
    id,
    weight,
    cost,
    state: LINE.idle,
    finish: 0,
    score: 0,
    entered: 0,
    ready: 0,
    inFlight: 0,
    tasks: 0,
    nextAt: 0,
    rank: 0,
    priority: 0,
  }
}
