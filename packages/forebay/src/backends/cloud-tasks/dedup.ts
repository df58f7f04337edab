/**
 * Dedup ids. Cloud Tasks refuses a task whose name is there, or was within about an hour after the task had ended; that tells
 * neither whose it was nor for how long. So a dedup id has a mark: a task of the queue `<name>-dedup`, which is paused, that
 * is named after the id and holds who was first, what it was and until when it counts. Who makes the mark is first.
 *
 *     time is cut into spans as long as the window; a mark is named after the span in which it was made
 *     a mark that still counts was made in this span or in the one before it, so both are asked for, and no more
 *     a mark of this span always counts still: made at t, it counts until t + window, which is after the span's end
 *
 * The task itself is named after the mark. If the first one died between the mark and the task, who comes next makes the
 * task in its stead; that is safe while Cloud Tasks surely remembers the name.
 */

import { createHash } from 'node:crypto'
import { ForebayError } from '../../errors.ts'
import type { Dedup, NewTask, PushResult } from '../queue-service.ts'
import { type Letter, recordOf } from '../task-letter.ts'
import type { CloudQueue } from './cloud-queue.ts'
import { markedTaskOf, markOf } from './names.ts'
import type { Store } from './store.ts'

/** Cloud Tasks forgets tasks 31 days after they were made, marks too. */
export const LONGEST_WINDOW_MS = 7 * 24 * 3_600_000
/** A name is remembered for an hour after its task has ended, and so at least for an hour after it was made. */
const SURELY_REMEMBERED_MS = 45 * 60_000

export class DedupMarks {
  readonly #store: Store
  readonly #open: () => Promise<CloudQueue>
  #marks: Promise<CloudQueue> | undefined

  /** @param open Opens the queue of the marks, when the first one is needed. */
  constructor(store: Store, open: () => Promise<CloudQueue>) {
    this.#store = store
    this.#open = open
  }

  async push(task: NewTask, dedup: Dedup): Promise<PushResult> {
    const { clock } = this.#store.options
    const marks = await this.#queue()
    const now = clock.now()
    const span = Math.floor(now / dedup.windowMs)
    const [before, name] = [span - 1, span].map((at) => markOf(dedup.id, dedup.windowMs, at)) as [string, string]
    const earlier = await marks.read(before)
    if (earlier && (earlier.record.expiresAt ?? 0) > now) return this.#repeated(task, earlier, before)
    const { id, type } = task
    const record = { id, type, createdAt: now, expiresAt: now + dedup.windowMs }
    const isFirst = await marks.put({ record, payload: fingerprintOf(task) }, undefined, name)
    if (isFirst !== undefined) {
      await this.#make(task, name)
      return { status: 'accepted', id }
    }
    const mark = await marks.read(name)
    if (mark) return this.#repeated(task, mark, name)
    const message = `The mark of the dedup id "${dedup.id}" was there and is gone: somebody has emptied its queue. The task was not stored.`
    throw new ForebayError('BACKEND_UNAVAILABLE', message)
  }

  async #repeated(task: NewTask, { record, payload }: Letter, markName: string): Promise<PushResult> {
    const { id, createdAt } = record
    if (payload !== fingerprintOf(task)) return { status: 'conflict', id }
    if (this.#store.options.clock.now() - createdAt < SURELY_REMEMBERED_MS) await this.#make({ ...task, id }, markName)
    return { status: 'duplicate', id }
  }

  async #make(task: NewTask, markName: string): Promise<void> {
    const record = recordOf(task, this.#store.options.clock.now())
    await this.#store.add({ record, payload: task.payload }, task.delayMs, markedTaskOf(markName))
  }

  #queue(): Promise<CloudQueue> {
    this.#marks ??= this.#open().catch((thrown: unknown) => {
      this.#marks = undefined
      throw thrown
    })
    return this.#marks
  }
}

function fingerprintOf({ type, payload }: NewTask): string {
  return JSON.stringify(
    createHash('sha256')
      .update(JSON.stringify([type, payload]))
      .digest('hex'),
  )
}
