/** The rate that all consumers of a queue keep together: one row a queue, changed by the pure steps of a shared flow. */

import type { Database, Statement } from 'better-sqlite3'
import type { PacerState } from '../../flow/pacer.ts'
import { handBackSlots, holdFlow, reserveSlots } from '../../flow/shared-flow.ts'
import type { SlotRequest, Slots } from '../shared-pacer.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'

export class Flowing {
  readonly #load: Statement<[number], PacerState>
  readonly #save: Statement<[PacerState & { queue: number }]>

  constructor(db: Database) {
    this.#load = db.prepare('SELECT tat, rampBegan, perSecond FROM flows WHERE queue = ?')
    this.#save = db.prepare(
      'INSERT OR REPLACE INTO flows (queue, tat, rampBegan, perSecond) VALUES (@queue, @tat, @rampBegan, @perSecond)',
    )
  }

  reserve(queue: QueueRow, { now, ahead }: Moment, { perSecond, rampMs, want, ...window }: SlotRequest): Slots {
    const { state, ...slots } = reserveSlots(this.#load.get(queue.id), { perSecond, rampMs }, want, now, window)
    this.#keep(queue, state)
    return { now, ahead, ...slots }
  }

  handBack(queue: QueueRow, first: number, next: number): true {
    this.#keep(queue, handBackSlots(this.#load.get(queue.id), first, next))
    return true
  }

  hold(queue: QueueRow, { now }: Moment, delayMs: number): true {
    this.#keep(queue, holdFlow(this.#load.get(queue.id), now + delayMs))
    return true
  }

  #keep(queue: QueueRow, state: PacerState | undefined): void {
    if (state) this.#save.run({ queue: queue.id, ...state })
  }
}
