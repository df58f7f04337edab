/**
 * Delayed tasks: every service of the queue has a call waiting for their notes. The first time a note is delivered it is put
 * off until it is due; then the version that it is about is superseded by one that may be granted.
 */

import type { Msg } from '@nats-io/transport-node'
import { type Clock, sleep } from '../../clock.ts'
import { deliveryOf, type Delivery } from './jetstream.ts'
import { isGone, NobodyListens } from './nats-errors.ts'
import type { Store } from './store.ts'
import { readyAtOf, successorOf } from './task-record.ts'

/** So many notes at once. */
const BATCH = 128

const LONGEST_CALL_MS = 30_000

/** After something went wrong. */
const PAUSE_MS = 500

/** The end of a call that has brought something comes at once, or is lost. */
const END_WITHIN_MS = 2_000

interface Note {
  readonly version: number
  /** At the earliest, by the server's clock. */
  readonly dueAt: number
}

export class DueNotes {
  readonly #store: Store
  readonly #clock: Clock
  readonly #restore: () => Promise<void>
  readonly #ended = new AbortController()
  readonly #handling = new Set<Promise<void>>()

  constructor(store: Store, clock: Clock, restore: () => Promise<void>) {
    this.#store = store
    this.#clock = clock
    this.#restore = restore
  }

  /** Until `close`. */
  async run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await this.#call()
      } catch (thrown) {
        // The next method of the service that is called meets the same fault and tells it.
        if (isGone(thrown)) await this.#restore().catch(() => undefined)
        await sleep(this.#clock, PAUSE_MS, this.#ended.signal).catch(() => undefined)
      }
    }
  }

  /** Resolves when what was begun is done. */
  async close(): Promise<void> {
    this.#ended.abort()
    await Promise.all(this.#handling)
  }

  async #call(): Promise<void> {
    let cancelTimer = () => {}
    let end = () => {}
    let count = 0
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ended.signal.addEventListener('abort', () => resolve(), { once: true })
        const onMessage = (message: Msg) => {
          const delivery = deliveryOf(message)
          if (!delivery)
            return message.headers?.code === 503 ? reject(new NobodyListens('The consumer is gone')) : resolve()
          this.#begin(delivery)
          cancelTimer()
          cancelTimer = this.#clock.after(END_WITHIN_MS, resolve, { background: true })
          if (++count === BATCH) resolve()
        }
        end = this.#store.pullLater(BATCH, LONGEST_CALL_MS, { onMessage, onLost: reject }).end
      })
    } finally {
      cancelTimer()
      end()
      await Promise.all(this.#handling)
    }
  }

  #begin(delivery: Delivery): void {
    // What fails is delivered again.
    const handling = this.#handle(delivery)
      .catch(() => undefined)
      .finally(() => this.#handling.delete(handling))
    this.#handling.add(handling)
  }

  async #handle({ ackSubject, data, sequence }: Delivery): Promise<void> {
    const { version: noted, dueAt } = JSON.parse(Buffer.from(data).toString()) as Note
    const { now } = await this.#store.time.now()
    if (dueAt > now) return this.#store.lookAgain(ackSubject, dueAt - now)
    const version = await this.#store.versionAt(noted)
    if (version?.record.kind === 'delayed') {
      const readyAt = readyAtOf(version)
      if (readyAt > now) return this.#store.lookAgain(ackSubject, readyAt - now)
      const successor = successorOf(version, { kind: 'ready', attempts: version.record.attempts, readyAt })
      await this.#store.supersede(version, successor)
      await this.#store.remove(noted)
    }
    await this.#store.removeNote(sequence)
    await this.#store.finish(ackSubject, undefined)
  }
}
