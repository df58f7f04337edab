/** What all consumers of a queue keep together: one row a cell, changed by the pure steps of flow/shared-steps.ts. */

import type { Database, Statement } from 'better-sqlite3'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import type { Applied } from '../shared-state.ts'
import type { QueueRow } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'

export class Cells {
  readonly #load: Statement<[number, string], string>
  readonly #save: Statement<[number, string, string]>

  constructor(db: Database) {
    this.#load = db.prepare<[number, string], string>('SELECT content FROM cells WHERE queue = ? AND name = ?').pluck()
    this.#save = db.prepare('INSERT OR REPLACE INTO cells (queue, name, content) VALUES (?, ?, ?)')
  }

  apply<S extends Step>(queue: QueueRow, { now, ahead }: Moment, cell: string, step: S): Applied<S> {
    const [content, result] = applyStep(this.#load.get(queue.id, cell), step, now)
    this.#save.run(queue.id, cell, content)
    return { result, now, ahead }
  }
}
