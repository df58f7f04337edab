/** The tasks of one queue on their way into Cloud Tasks: with their delays, their names and their place in a blob store. */

import type { Clock } from '../../clock.ts'
import type { RandomSource } from '../../random.ts'
import type { DeadReason } from '../../task.ts'
import { type BlobStore, checkIn, forgetBlob } from '../blob-store.ts'
import { type Letter, textOf } from '../task-letter.ts'
import type { CloudQueue } from './cloud-queue.ts'
import type { Inbox } from './inbox.ts'
import { deadLetterOf } from './names.ts'

/** Cloud Tasks takes times of up to 30 days ahead; what is left goes on by a copy when it arrives. */
const LONGEST_DELAY_MS = 29 * 24 * 3_600_000

export interface StoreOptions {
  readonly name: string
  readonly main: CloudQueue
  readonly dead: CloudQueue
  readonly inbox: Inbox
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly random: RandomSource
  readonly stamp: () => string
}

export class Store {
  readonly options: StoreOptions

  constructor(options: StoreOptions) {
    this.options = options
  }

  /** A new task. Answers whether it was stored: not if there is one of that name, or was in the last hour. */
  async add(letter: Letter, delayMs: number, name?: string): Promise<boolean> {
    const { name: queue, main, blobs, random } = this.options
    const fits = !blobs || Buffer.byteLength(textOf(letter)) <= main.maxTaskBytes
    const stored = fits ? letter : await checkIn(blobs, queue, letter, random)
    const isNew = await this.put(stored, delayMs, name)
    if (!isNew && !fits) await forgetBlob(blobs, stored)
    return isNew
  }

  /** Answers whether it was stored. */
  async put({ record, payload }: Letter, delayMs: number, name?: string): Promise<boolean> {
    const { main, clock, inbox } = this.options
    const now = clock.now()
    const { leftMs: _, ...rest } = record
    const laterMs = Math.max(0, delayMs - LONGEST_DELAY_MS)
    const letter = { record: { ...rest, readyAt: now + delayMs, ...(laterMs > 0 && { leftMs: laterMs }) }, payload }
    const stored = await main.put(letter, delayMs > 0 ? now + delayMs - laterMs : undefined, name)
    if (stored !== undefined) inbox.expect(stored, delayMs - laterMs)
    return stored !== undefined
  }

  /** Stores the dead letter of a task; once, whoever does it how often. */
  async bury(name: string, { record, payload }: Letter, reason: DeadReason): Promise<void> {
    const { dead, clock, stamp } = this.options
    const death = { reason, at: clock.now(), stamp: stamp() }
    await dead.put({ record: { ...record, death }, payload }, undefined, deadLetterOf(name))
  }
}
