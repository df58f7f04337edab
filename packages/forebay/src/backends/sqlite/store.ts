/** The operations on an open file, each on its own; transactions round them are the batch runner's. */

import type { Database } from 'better-sqlite3'
import { Cells } from './cells.ts'
import { Claiming } from './claiming.ts'
import { DeadOnes } from './dead-letters.ts'
import { Evicting } from './evicting.ts'
import { Lines } from './lines.ts'
import { Looking } from './looking.ts'
import type { Operation } from './operations.ts'
import { Promoting } from './promoting.ts'
import { Pushing } from './pushing.ts'
import { type QueueRow, QueueRows } from './queue-rows.ts'
import type { Moment } from './queue-time.ts'
import { Settling } from './settling.ts'
import { Turns } from './turns.ts'

export class Store {
  readonly #queues: QueueRows
  readonly #lines: Lines
  readonly #promoting: Promoting
  readonly #pushing: Pushing
  readonly #claiming: Claiming
  readonly #settling: Settling
  readonly #looking: Looking
  readonly #dead: DeadOnes
  readonly #cells: Cells

  constructor(db: Database) {
    const lines = new Lines(db)
    const turns = new Turns(db, lines)
    const promoting = new Promoting(db, lines)
    this.#queues = new QueueRows(db)
    this.#lines = lines
    this.#promoting = promoting
    this.#pushing = new Pushing(db, lines, turns, new Evicting(db, lines, turns, promoting))
    this.#claiming = new Claiming(db, lines, promoting)
    this.#settling = new Settling(db, lines, turns)
    this.#looking = new Looking(db, lines)
    this.#dead = new DeadOnes(db, lines, turns)
    this.#cells = new Cells(db)
  }

  /** Answers an operation that needs no write; undefined if it needs one. */
  look(queueName: string, operation: Operation, moment: Moment): unknown {
    const queue = this.#queues.find(queueName)
    switch (operation.name) {
      case 'depth':
        return this.#looking.depth(queue, moment, operation.newcomer)
      case 'find':
        return this.#looking.find(queue, moment, operation.ids)
      case 'listDead':
        return this.#looking.listDead(queue, operation.limit, operation.after)
      case 'claim':
        return this.#claiming.nothing(queue, moment, operation.requests)
      default:
        return undefined
    }
  }

  /** Carries an operation out, within a write transaction. */
  execute(queueName: string, operation: Operation, moment: Moment): unknown {
    const seen = this.look(queueName, operation, moment)
    if (seen !== undefined) return seen
    const queue = this.#queues.findOrAdd(queueName)
    this.#lines.begin()
    const result = this.#change(queue, operation, moment)
    this.#lines.save(queue, moment.now)
    this.#queues.save(queue, moment.now)
    return result
  }

  #change(queue: QueueRow, operation: Operation, moment: Moment): unknown {
    switch (operation.name) {
      case 'push':
        return this.#pushing.run(queue, moment, operation.tasks, operation.bounds)
      case 'claim':
        return this.#claiming.run(queue, moment, operation.requests)
      case 'settle':
        return this.#settling.run(queue, moment, operation.settlements)
      case 'extend':
        return this.#settling.extend(queue, moment, operation.claims, operation.leaseMs)
      case 'redrive':
        return this.#dead.redrive(queue, moment, operation)
      case 'drop':
        return this.#dead.drop(queue, moment, operation)
      case 'depth':
        this.#promoting.run(queue, moment)
        this.#lines.write(queue)
        return this.#looking.depthNow(queue, moment, operation.newcomer)
      case 'apply':
        return this.#cells.apply(queue, moment, operation.cell, operation.step)
      default:
        throw new Error(`${operation.name} only reads`)
    }
  }
}
