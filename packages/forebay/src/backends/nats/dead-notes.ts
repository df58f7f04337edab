/** The notes of the dead versions of tasks: what a page of dead letters is read from. One that is missed is made again. */

import type { JetStream, StoredMessage } from './jetstream.ts'
import { unlessOutrun } from './nats-errors.ts'
import type { QueueNames } from './queue-names.ts'
import type { Streams } from './streams.ts'

/** A dead version, as its note has it. */
export interface DeadNote {
  readonly note: number
  readonly version: number
}

export class DeadNotes {
  readonly #jetstream: JetStream
  readonly #streams: Streams
  readonly #names: QueueNames
  readonly #era: () => string

  /** @param era Of the stream of the tasks that is there now. */
  constructor(jetstream: JetStream, streams: Streams, era: () => string) {
    this.#jetstream = jetstream
    this.#streams = streams
    this.#names = streams.names
    this.#era = era
  }

  /** If there is a note of the version already, that one stays; whether this one was stored. */
  async add(version: number): Promise<boolean> {
    const note = JSON.stringify({ version })
    const storing = this.#jetstream.publish(this.#subject(version), note, { lastSequence: 0 })
    return (await unlessOutrun(storing)) !== undefined
  }

  async remove(note: number): Promise<void> {
    await this.#jetstream.remove(this.#names.deadStream, note)
  }

  async removeOf(version: number): Promise<void> {
    const message = await this.#jetstream.last(this.#names.deadStream, this.#subject(version))
    if (message) await this.remove(message.sequence)
  }

  /** The first one at or after a sequence. */
  async next(sequence: number): Promise<DeadNote | undefined> {
    return this.#read(await this.#jetstream.next(this.#names.deadStream, this.#names.allDead, sequence))
  }

  async at(note: number): Promise<DeadNote | undefined> {
    return this.#read(await this.#jetstream.at(this.#names.deadStream, note))
  }

  /** The sequence of the latest one. */
  async last(): Promise<number> {
    return (await this.#streams.info(this.#names.deadStream)).state.last_seq
  }

  #subject(version: number): string {
    return this.#names.dead(this.#era(), version)
  }

  /** A note of another era is about nothing. */
  #read(message: StoredMessage | undefined): DeadNote | undefined {
    if (!message) return undefined
    const [era, sequence] = message.subject.split('.').slice(-2)
    return { note: message.sequence, version: era === this.#era() ? Number(sequence) : 0 }
  }
}
