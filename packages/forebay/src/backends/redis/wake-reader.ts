/**
 * Waits for the engine's word that there may be work: a blocking read of the stream `wake`, on a connection of its own, as a
 * blocked one answers nothing else.
 *
 * All processes that wait read as one consumer group, without acknowledgement: of those that wait, the engine tells the one
 * that has waited longest, and only that one. An entry is a word and no task: which tasks are ready is in the sorted sets, so
 * an entry, a group or the whole stream that is lost delays a claim until it asks again by itself, and loses nothing.
 */

import { type Clock, sleep } from '../../clock.ts'
import type { Connection } from './connection.ts'
import type { RedisClient } from './redis-clients.ts'

const GROUP = 'parked'
/** What fails is not tried again at once. */
const BACKOFF_MS = 500

/** All processes go by one name: without acknowledgement nothing is kept by consumer, so none has to be made or deleted. */
const CONSUMER = 'forebay'

export class WakeReader {
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #stream: string
  readonly #blockMs: number
  readonly #onWord: (told: boolean) => void
  #reading = false

  /**
   * @param key The queue's.
   * @param blockMs How long a read waits for a word.
   * @param onWord A read has ended: with a word, or without one because its time was up or the connection was lost.
   */
  constructor(
    connection: Connection,
    clock: Clock,
    { key, blockMs, onWord }: { readonly key: string; readonly blockMs: number; onWord(told: boolean): void },
  ) {
    this.#connection = connection
    this.#clock = clock
    this.#stream = `${key}:wake`
    this.#blockMs = blockMs
    this.#onWord = onWord
  }

  /** Reads once, unless it is already reading. Never rejects. */
  async listen(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    let told = false
    try {
      told = await this.#connection.ask((client) => this.#read(client), this.#blockMs)
    } catch {
      // Whoever is told asks on the other connection, and learns there what is wrong.
      await sleep(this.#clock, BACKOFF_MS)
    }
    this.#reading = false
    this.#onWord(told)
  }

  async #read(client: RedisClient): Promise<boolean> {
    try {
      return (await this.#block(client)) !== null
    } catch (thrown) {
      if (!/^NOGROUP/.test((thrown as Error).message)) throw thrown
      // From the stream's beginning: a word that came before the group was made is for it too.
      await client.xgroup('CREATE', this.#stream, GROUP, '0', 'MKSTREAM').catch(unlessThere)
      return (await this.#block(client)) !== null
    }
  }

  #block(client: RedisClient): Promise<unknown> {
    const read = [
      'GROUP',
      GROUP,
      CONSUMER,
      'COUNT',
      1,
      'BLOCK',
      this.#blockMs,
      'NOACK',
      'STREAMS',
      this.#stream,
      '>',
    ] as const
    return client.xreadgroup(...read)
  }
}

function unlessThere(thrown: unknown): void {
  if (!/^BUSYGROUP/.test((thrown as Error).message)) throw thrown
}
