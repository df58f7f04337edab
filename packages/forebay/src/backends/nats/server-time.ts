/**
 * The server's clock, as far as it can be read: the server stamps what it stores, so a message is stored and its stamp read.
 * The stamp lies between the question and its answer; its middle is wrong by at most half of that, which is the `error`.
 */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { JetStream } from './jetstream.ts'

/** Clocks drift, and somebody may set one: after this a reading is old. */
const GOOD_FOR_MS = 30_000

/** A reading that is worse than this is taken again, twice at most: something was in its way. */
const GOOD_ERROR_MS = 5
const TRIES = 3

export interface Reading {
  /** The server's epoch ms. */
  readonly now: number
  /** By how much it may be wrong, ms. */
  readonly error: number
  /** The server's time less our monotonic time. */
  readonly ahead: number
}

interface Sample {
  readonly ahead: number
  readonly error: number
  readonly takenAt: number
}

export class ServerTime {
  readonly #clock: Clock
  readonly #jetstream: JetStream
  readonly #stream: string
  readonly #subject: string
  #sample: Sample | undefined
  #sampling: Promise<Sample> | undefined

  /** @param subject Of a stream that keeps the last message of it. */
  constructor(clock: Clock, jetstream: JetStream, stream: string, subject: string) {
    this.#clock = clock
    this.#jetstream = jetstream
    this.#stream = stream
    this.#subject = subject
  }

  /** Asks the server only if the last reading is old. */
  async now(): Promise<Reading> {
    const { ahead, error } = this.#isOld ? await this.#read() : (this.#sample as Sample)
    return { now: this.#clock.monotonic() + ahead, error, ahead }
  }

  /** The server may be another one. */
  forget(): void {
    this.#sample = undefined
  }

  get #isOld(): boolean {
    return !this.#sample || this.#clock.monotonic() - this.#sample.takenAt > GOOD_FOR_MS
  }

  #read(): Promise<Sample> {
    this.#sampling ??= this.#best().finally(() => {
      this.#sampling = undefined
    })
    return this.#sampling
  }

  async #best(): Promise<Sample> {
    let best = await this.#take()
    for (let tries = 1; tries < TRIES && best.error > GOOD_ERROR_MS; tries++) {
      const another = await this.#take()
      if (another.error < best.error) best = another
    }
    this.#sample = best
    return best
  }

  async #take(): Promise<Sample> {
    const asked = this.#clock.monotonic()
    await this.#jetstream.publish(this.#subject, '')
    const answered = this.#clock.monotonic()
    const message = await this.#jetstream.last(this.#stream, this.#subject)
    if (!message) throw new ForebayError('BACKEND_UNAVAILABLE', 'The NATS server lost what it had just stored.')
    const error = (answered - asked) / 2
    return { ahead: message.storedAt - asked - error, error, takenAt: answered }
  }
}
