/**
 * The dead letters: a queue, so to look at them is to receive them all and to give back what is not taken. One walk at a time
 * in this process; what another process walks is hidden from this one for as long.
 */

import type { Clock } from '../../clock.ts'
import type { TaskId } from '../../task.ts'
import { type BlobStore, forgetBlob } from '../blob-store.ts'
import { type DeadRecord, pageOf } from '../dead-pages.ts'
import { OneAtATime } from '../one-at-a-time.ts'
import type { DeadLetters, DeadPage } from '../queue-service.ts'
import { foreignLetter, letterOf, revived } from '../task-letter.ts'
import { outgoing } from './message.ts'
import { moveAll } from './move-task.ts'
import { codeOf, fromSqs } from './sqs-errors.ts'
import { RECEIVED_AT_ONCE, type SqsMessage, type SqsQueue } from './sqs-queue.ts'

/** Hidden for so long while they are looked at. */
const WALK_S = 120
/** A walk looks at so many at most: SQS lets 120,000 be in flight. */
const MOST_WALKED = 50_000
const REQUESTS = 10
/** An empty answer is believed when a poll that asks all servers says the same. */
const SURE_WAIT_S = 1

interface DeadMessage extends DeadRecord {
  readonly message: SqsMessage
}

export interface DeadQueueOptions {
  readonly main: SqsQueue
  readonly dead: SqsQueue
  /** How often a task is received before SQS itself moves it here; undefined if it does not. */
  readonly maxReceiveCount: number | undefined
  /** Asks SQS to move all; undefined if it can't. */
  readonly move: Parameters<typeof moveAll>[0] | undefined
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly stamp: () => string
}

export class DeadQueue implements DeadLetters {
  readonly #options: DeadQueueOptions
  readonly #turns = new OneAtATime()

  constructor(options: DeadQueueOptions) {
    this.#options = options
  }

  list(page: { readonly limit: number; readonly after?: string }): Promise<DeadPage> {
    return this.#turns.run(async () => {
      const all = await this.#walk()
      await this.#giveBack(all)
      return pageOf(all, page)
    })
  }

  redrive(which: readonly TaskId[] | 'all'): Promise<number> {
    const { main, clock, stamp, move } = this.#options
    return this.#turns.run(async () => {
      const moved = which === 'all' && move ? await moveAll(move) : undefined
      if (moved !== undefined) return moved
      return this.#take(which, ({ record, payload }) => {
        const letter = { record: revived(record, clock.now()), payload }
        return main.send(outgoing(letter, { ...main.identity, delayMs: 0, stamp: stamp() }))
      })
    })
  }

  drop(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#turns.run(() =>
      this.#take(which, async (letter) => {
        await forgetBlob(this.#options.blobs, letter)
        return undefined
      }),
    )
  }

  /** Takes out those that are named and for which `act` does not answer with an error; rejects with the first error. */
  async #take(
    which: readonly TaskId[] | 'all',
    act: (letter: DeadMessage) => Promise<Error | undefined>,
  ): Promise<number> {
    const { dead } = this.#options
    const ids = which === 'all' ? undefined : new Set(which)
    const errors: Error[] = []
    let count = 0
    const takeOne = async (letter: DeadMessage) => {
      const failed = (await act(letter)) ?? (await dead.delete(letter.message.receipt))
      if (failed) errors.push(failed)
      else count++
    }
    const others: DeadMessage[] = []
    const missing = new Set(ids)
    await this.#walk(async (letters) => {
      const named = letters.filter(({ record }) => !ids || ids.has(record.id))
      if (ids) others.push(...letters.filter((letter) => !named.includes(letter)))
      await Promise.all(named.map(takeOne))
      for (const { record } of named) missing.delete(record.id)
      return ids === undefined || missing.size > 0
    })
    await this.#giveBack(others)
    if (errors[0]) throw errors[0]
    return count
  }

  /**
   * Receives all that are there now; those that die meanwhile may be left.
   *
   * @param act Answers whether to go on.
   */
  async #walk(act: (letters: readonly DeadMessage[]) => Promise<boolean> = async () => true): Promise<DeadMessage[]> {
    const { dead } = this.#options
    const all: DeadMessage[] = []
    const seen = new Set<string>()
    try {
      const { ready } = await dead.counts()
      let waitSeconds = ready === 0 ? SURE_WAIT_S : 0
      for (let most = MOST_WALKED; all.length < most; ) {
        const wanted = Math.max(1, Math.min(most - all.length, Math.max(1, ready - all.length)))
        const requests = waitSeconds > 0 ? 1 : Math.min(REQUESTS, Math.ceil(wanted / RECEIVED_AT_ONCE))
        const asks = Array.from({ length: requests }, () => dead.receive(RECEIVED_AT_ONCE, WALK_S, waitSeconds))
        const found = (await Promise.all(asks)).flat().filter(({ messageId }) => !seen.has(messageId))
        if (found.length === 0 && waitSeconds > 0) break
        // The count is about right only: the end is where a poll of all servers finds nothing more.
        waitSeconds = found.length === 0 || all.length + found.length >= ready ? SURE_WAIT_S : 0
        for (const { messageId } of found) seen.add(messageId)
        const letters = found.map((message) => this.#deadMessage(message))
        all.push(...letters)
        if (!(await act(letters))) break
      }
      return all
    } catch (thrown) {
      await this.#giveBack(all)
      throw fromSqs(thrown, `what was not done is still among the dead letters (${codeOf(thrown)}).`)
    }
  }

  async #giveBack(letters: readonly DeadMessage[]): Promise<void> {
    // If it fails they come back by themselves.
    await Promise.all(letters.map(({ message }) => this.#options.dead.hide(message.receipt, 0)))
  }

  #deadMessage(message: SqsMessage): DeadMessage {
    const letter = letterOf(message.body) ?? foreignLetter(message.messageId, message.body, message.sentAt)
    const { clock, maxReceiveCount } = this.#options
    if (letter.record.death) return { ...letter, message, death: letter.record.death }
    // SQS has moved it here, or somebody else has put it here.
    const at = message.firstReceivedAt || clock.now()
    const stamp = `${String(at).padStart(15, '0')}-${message.messageId}`
    const reason = letterOf(message.body) ? 'attempts-exhausted' : 'unreadable'
    const record = { ...letter.record, granted: (letter.record.granted ?? 0) + (maxReceiveCount ?? 0) }
    return { record, payload: letter.payload, message, death: { reason, at, stamp } }
  }
}
