/**
 * The names of a queue's streams and subjects.
 *
 *     PREFIX-QUEUE-tasks-XXXXXX   PREFIX.QUEUE.t.ID             every task, in the versions that it has been through
 *     PREFIX-QUEUE-later          PREFIX.QUEUE.l.ERA.SEQUENCE   a note of a delayed version, to be looked at when it is due
 *     PREFIX-QUEUE-dead           PREFIX.QUEUE.d.ERA.SEQUENCE   a note of a dead one
 *     PREFIX-QUEUE-marks          PREFIX.QUEUE.g.ERA.SEQUENCE   the grant of a version: its lease
 *                                 PREFIX.QUEUE.u|c.HASH         a dedup id, and that its task came to be
 *                                 PREFIX.QUEUE.r.ID, .s.CELL, .k   a kept result, a cell of the shared state, the clock
 *
 * All but that of the dead also hold an anchor at their end (stream-end.ts), where no ID, SEQUENCE or CELL is: under `=`.
 *
 * The stream of the tasks has a name of its own each time that it is made, and an era, so that no sequence number of one
 * that was deleted is ever taken for one of its successor.
 */

import { createHash } from 'node:crypto'

/** The name as one token of a subject, and as a part of a stream's name: what may not stand there becomes `=` and its bytes. */
export function tokenOf(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `=${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** The consumer that hands out the tasks, and the one that hands out the notes of delayed ones. */
export const READY = 'ready'
export const LATER = 'later'

export class QueueNames {
  readonly #stream: string
  readonly #subject: string

  constructor(prefix: string, queue: string) {
    this.#stream = `${prefix}-${tokenOf(queue)}`
    this.#subject = `${prefix}.${tokenOf(queue)}`
  }

  /** @param salt Tells this stream from any other that held the queue's tasks before. */
  tasksStream(salt: string): string {
    return `${this.#stream}-tasks-${salt}`
  }

  get laterStream(): string {
    return `${this.#stream}-later`
  }

  get deadStream(): string {
    return `${this.#stream}-dead`
  }

  get marksStream(): string {
    return `${this.#stream}-marks`
  }

  get allTasks(): string {
    return `${this.#subject}.t.*`
  }

  task(id: string): string {
    return `${this.#subject}.t.${tokenOf(id)}`
  }

  get allLater(): string {
    return `${this.#subject}.l.*.*`
  }

  get allDead(): string {
    return `${this.#subject}.d.*.*`
  }

  get tasksAnchor(): string {
    return `${this.#subject}.t.=`
  }

  get laterAnchor(): string {
    return `${this.#subject}.l.=.=`
  }

  get marksAnchor(): string {
    return `${this.#subject}.s.=`
  }

  /** @param era Of the stream of the tasks. */
  later(era: string, sequence: number): string {
    return `${this.#subject}.l.${era}.${sequence}`
  }

  dead(era: string, sequence: number): string {
    return `${this.#subject}.d.${era}.${sequence}`
  }

  get allMarks(): readonly string[] {
    return ['g.*.*', 'u.*', 'c.*', 'r.*', 's.*', 'k'].map((rest) => `${this.#subject}.${rest}`)
  }

  grant(era: string, sequence: number): string {
    return `${this.#subject}.g.${era}.${sequence}`
  }

  dedup(hash: string): string {
    return `${this.#subject}.u.${hash}`
  }

  dedupConfirmed(hash: string): string {
    return `${this.#subject}.c.${hash}`
  }

  result(id: string): string {
    return `${this.#subject}.r.${tokenOf(id)}`
  }

  cell(name: string): string {
    return `${this.#subject}.s.${tokenOf(name)}`
  }

  get clock(): string {
    return `${this.#subject}.k`
  }
}

/** Of texts, whatever they hold; as one token. */
export function hashOf(...texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url')
}
