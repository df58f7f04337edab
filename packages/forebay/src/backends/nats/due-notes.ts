/**
 * Delayed tasks: every service of the queue has a call waiting for their notes. The first time a note is delivered it is put
 * off until it is due; then the version that it is about is superseded by one that may be granted.
 */

import type { Clock } from '../../clock.ts'
import type { Delivery } from './jetstream.ts'
import { callForMessages } from './message-call.ts'
import { isGone } from './nats-errors.ts'
import { Pause } from './pause.ts'
import type { Store } from './store.ts'
import { readyAtOf, successorOf } from './task-record.ts'

/** So many notes at once. */
const BATCH = 128

const LONGEST_CALL_MS = 5_000

/** After something went wrong. */
const PAUSE_MS = 500

interface Note {
  readonly version: number
  /** At the earliest, by the server's clock. */
  readonly dueAt: number
}

/** It stands at the end of the notes (stream-end.ts). */
interface Anchor {
  readonly version?: undefined
  readonly dueAt?: undefined
}

export class DueNotes {
  readonly #store: Store
  readonly #clock: Clock
  readonly #restore: () => Promise<void>
  readonly #ended = new AbortController()
  readonly #pause: Pause
  readonly #handling = new Set<Promise<void>>()

  constructor(store: Store, clock: Clock, restore: () => Promise<void>) {
    this.#store = store
    this.#clock = clock
    this.#restore = restore
    this.#pause = new Pause(clock)
  }

  /** Until `close`. */
  async run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await this.#call()
      } catch (thrown) {
        // The next method of the service that is called meets the same fault and tells it.
        if (isGone(thrown)) await this.#restore().catch(() => undefined)
        if (!this.#ended.signal.aborted) await this.#pause.for(PAUSE_MS)
      }
    }
  }

  /** Resolves when what was begun is done. */
  async close(): Promise<void> {
    this.#ended.abort()
    this.#pause.cut()
    await Promise.all(this.#handling)
  }

  async #call(): Promise<void> {
    try {
      const { brought, why } = await callForMessages({
        batch: BATCH,
        waitMs: LONGEST_CALL_MS,
        clock: this.#clock,
        pull: (batch, waitMs, listener) => this.#store.pullLater(batch, waitMs, listener),
        onDelivery: (delivery) => this.#begin(delivery),
        signal: this.#ended.signal,
      })
      // The server is silent about calls to a consumer that is gone, too.
      if (why === 'silent' && brought === 0) await this.#store.checkLater()
    } finally {
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
    const { version: noted, dueAt } = JSON.parse(Buffer.from(data).toString()) as Note | Anchor
    if (noted === undefined) return this.#store.finish(ackSubject)
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
    await this.#store.removeLaterNote(sequence)
    await this.#store.finish(ackSubject)
  }
}
