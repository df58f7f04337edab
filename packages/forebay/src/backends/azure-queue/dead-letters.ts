/**
 * The dead letters: the queue `<name>-poison`, as Azure Functions calls it. Up to 32 of them can be looked at without
 * touching them; more are received, and given back one by one. One walk at a time in this process.
 */

import type { Clock } from '../../clock.ts'
import type { TaskId } from '../../task.ts'
import { type BlobStore, forgetBlob } from '../blob-store.ts'
import { type DeadRecord, pageOf } from '../dead-pages.ts'
import { OneAtATime } from '../one-at-a-time.ts'
import type { DeadLetters, DeadPage } from '../queue-service.ts'
import { foreignLetter, letterOf, revived } from '../task-letter.ts'
import { type AzureMessage, type AzureStorageQueue, RECEIVED_AT_ONCE } from './azure-storage-queue.ts'

/** Hidden for so long while they are looked at. */
const WALK_MS = 120_000
const MOST_WALKED = 20_000
const REQUESTS = 4

interface DeadMessage extends DeadRecord {
  readonly message: Omit<AzureMessage, 'receipt'> & { readonly receipt?: string }
}

export interface PoisonOptions {
  readonly main: AzureStorageQueue
  readonly poison: AzureStorageQueue
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  /** There are tasks now that are ready. */
  readonly onReady: () => void
}

export class PoisonQueue implements DeadLetters {
  readonly #options: PoisonOptions
  readonly #turns = new OneAtATime()

  constructor(options: PoisonOptions) {
    this.#options = options
  }

  list(page: { readonly limit: number; readonly after?: string }): Promise<DeadPage> {
    return this.#turns.run(async () => pageOf(await this.#look(), page))
  }

  redrive(which: readonly TaskId[] | 'all'): Promise<number> {
    const { main, clock, onReady } = this.#options
    return this.#turns.run(async () => {
      const count = await this.#take(which, ({ record, payload }) =>
        main.put({ record: revived(record, clock.now()), payload }, 0),
      )
      if (count > 0) onReady()
      return count
    })
  }

  drop(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#turns.run(() => this.#take(which, (letter) => forgetBlob(this.#options.blobs, letter)))
  }

  async #look(): Promise<DeadMessage[]> {
    const peeked = await this.#options.poison.peek()
    if (peeked.length < RECEIVED_AT_ONCE) return peeked.map(deadMessage)
    const all = await this.#walk()
    await this.#giveBack(all)
    return all
  }

  /** Takes out those that are named; rejects with the first error, and the rest is given back. */
  async #take(which: readonly TaskId[] | 'all', act: (letter: DeadMessage) => Promise<void>): Promise<number> {
    const { poison } = this.#options
    const ids = which === 'all' ? undefined : new Set(which)
    const missing = new Set(ids)
    const others: DeadMessage[] = []
    let count = 0
    const takeOne = async (letter: DeadMessage) => {
      await act(letter)
      if (await poison.delete(letter.message.messageId, letter.message.receipt ?? '')) count++
    }
    try {
      await this.#walk(async (letters) => {
        const named = letters.filter(({ record }) => !ids || ids.has(record.id))
        others.push(...letters.filter((letter) => !named.includes(letter)))
        const failed = (await Promise.allSettled(named.map(takeOne))).find(({ status }) => status === 'rejected')
        if (failed?.status === 'rejected') throw failed.reason
        for (const { record } of named) missing.delete(record.id)
        return ids === undefined || missing.size > 0
      })
    } finally {
      await this.#giveBack(others)
    }
    return count
  }

  /**
   * Receives all that are there now; those that die meanwhile may be left.
   *
   * @param act Answers whether to go on.
   */
  async #walk(act: (letters: readonly DeadMessage[]) => Promise<boolean> = async () => true): Promise<DeadMessage[]> {
    const { poison } = this.#options
    const all: DeadMessage[] = []
    while (all.length < MOST_WALKED) {
      const asks = Array.from({ length: all.length === 0 ? 1 : REQUESTS }, () =>
        poison.receive(RECEIVED_AT_ONCE, WALK_MS),
      )
      const answers = await Promise.all(asks)
      const letters = answers.flat().map(deadMessage)
      all.push(...letters)
      if (letters.length > 0 && !(await act(letters))) break
      if (answers.some(({ length }) => length < RECEIVED_AT_ONCE)) break
    }
    return all
  }

  async #giveBack(letters: readonly DeadMessage[]): Promise<void> {
    const { poison } = this.#options
    // If it fails they come back by themselves.
    await Promise.allSettled(letters.map(({ message }) => poison.update(message.messageId, message.receipt ?? '', 0)))
  }
}

function deadMessage(message: DeadMessage['message']): DeadMessage {
  const { messageId, text, insertedAt } = message
  const letter = letterOf(text) ?? foreignLetter(messageId, text, insertedAt)
  // Without a death of its own somebody else has put it there, such as the host of Azure Functions.
  const stamp = `${String(insertedAt).padStart(15, '0')}-${messageId}`
  const death = letter.record.death ?? { reason: 'unreadable', at: insertedAt, stamp }
  return { ...letter, message, death }
}
