/**
 * Dedup ids: a record of each, and beside it the word that its task came to be, which is stored before the task is granted
 * for the first time. So a record whose task was never stored, because its producer died in between, is no duplicate: the
 * next one with the same id stores the task in its stead.
 */

import type { NewTask, PushResult } from '../queue-service.ts'
import type { JetStream } from './jetstream.ts'
import { unlessOutrun } from './nats-errors.ts'
import { hashOf, type QueueNames } from './queue-names.ts'
import type { ServerTime } from './server-time.ts'

interface DedupRecord {
  /** The first task's. */
  readonly id: string
  /** Of its type and payload. */
  readonly print: string
  readonly windowMs: number
}

/** What a task that came to be says of its dedup record. */
export interface DedupRef {
  readonly hash: string
  readonly sequence: number
}

export type Reserved =
  /** The id is this task's. */
  | { readonly kind: 'first'; readonly ref: DedupRef }
  /** It is another one's, whose task may not have come to be: then this one is to be stored under that id. */
  | { readonly kind: 'unsure'; readonly ref: DedupRef; readonly id: string }
  | { readonly kind: 'taken'; readonly result: PushResult }

/** No record, or one whose window is over. */
interface Free {
  readonly kind: 'free'
  /** The sequence of what stands there. */
  readonly last: number
}

export type Deduped = NewTask & Required<Pick<NewTask, 'dedup'>>

export class DedupIds {
  readonly #jetstream: JetStream
  readonly #names: QueueNames
  readonly #time: ServerTime
  readonly #forgetMark: (sequence: number) => Promise<void>

  constructor(
    jetstream: JetStream,
    names: QueueNames,
    time: ServerTime,
    forgetMark: (sequence: number) => Promise<void>,
  ) {
    this.#jetstream = jetstream
    this.#names = names
    this.#time = time
    this.#forgetMark = forgetMark
  }

  /** Stores the record of a task's dedup id, unless there is one within its window. */
  async reserve(task: Deduped): Promise<Reserved> {
    const hash = hashOf(task.dedup.id)
    const record: DedupRecord = { id: task.id, print: printOf(task), windowMs: task.dedup.windowMs }
    for (let last = 0; ; ) {
      const sequence = await this.#store(hash, record, last)
      if (sequence !== undefined) return { kind: 'first', ref: { hash, sequence } }
      const found = await this.find(task)
      if (found.kind !== 'free') return found
      last = found.last
    }
  }

  /** What is known of a task's dedup id. */
  async find(task: Deduped): Promise<Exclude<Reserved, { kind: 'first' }> | Free> {
    const hash = hashOf(task.dedup.id)
    const message = await this.#jetstream.last(this.#names.marksStream, this.#names.dedup(hash))
    if (!message) return { kind: 'free', last: 0 }
    const { id, print, windowMs } = JSON.parse(Buffer.from(message.data).toString()) as DedupRecord
    const { now } = await this.#time.now()
    if (message.storedAt + windowMs <= now) return { kind: 'free', last: message.sequence }
    if (print !== printOf(task)) return { kind: 'taken', result: { status: 'conflict', id } }
    const ref = { hash, sequence: message.sequence }
    if (await this.#isConfirmed(ref)) return { kind: 'taken', result: { status: 'duplicate', id } }
    return { kind: 'unsure', ref, id }
  }

  /** The task has come to be. */
  async confirm({ hash, sequence }: DedupRef): Promise<void> {
    await this.#jetstream.publish(this.#names.dedupConfirmed(hash), String(sequence))
  }

  /** The task was refused. */
  async release({ sequence }: DedupRef): Promise<void> {
    await this.#forgetMark(sequence)
  }

  async #isConfirmed({ hash, sequence }: DedupRef): Promise<boolean> {
    const message = await this.#jetstream.last(this.#names.marksStream, this.#names.dedupConfirmed(hash))
    return message !== undefined && Buffer.from(message.data).toString() === String(sequence)
  }

  #store(hash: string, record: DedupRecord, last: number): Promise<number | undefined> {
    const expected = { lastSequence: last }
    return unlessOutrun(this.#jetstream.publish(this.#names.dedup(hash), JSON.stringify(record), expected))
  }
}

function printOf({ type, payload }: NewTask): string {
  return hashOf(type, payload)
}
