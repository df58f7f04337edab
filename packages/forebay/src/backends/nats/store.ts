/**
 * The tasks of a queue as they stand in NATS, and the steps by which they change. Each step is one message stored or removed
 * on a condition, so of two who try the same one fails.
 *
 * - A *version* of a task is granted at most once: the grant is stored on a subject of its sequence, where nothing may be yet.
 *   So the sequence is the token, and no settlement of an old grant can meet a newer one.
 * - A version is *superseded* by storing the next one on the task's subject, where it must still be the last.
 * - A task ends by *removing* its version: only one can.
 * - A version is acted upon only after the one that it came from is removed. So none ever comes back.
 *
 * Redeliveries and notes only say where to look. What counts is what is stored. No stream that a sequence names something of
 * is ever emptied (stream-end.ts), except that of the dead letters' notes, which are made again when they are missed.
 */

import type { Clock } from '../../clock.ts'
import { type Counts, countTasks } from './counts.ts'
import { DeadNotes } from './dead-notes.ts'
import { DedupIds } from './dedup.ts'
import type { JetStream } from './jetstream.ts'
import { unlessOutrun } from './nats-errors.ts'
import { OldGrants } from './old-grants.ts'
import { LATER, type QueueNames, READY } from './queue-names.ts'
import { KeptResults } from './kept-results.ts'
import type { Listener } from './request-desk.ts'
import { ServerTime } from './server-time.ts'
import { StreamEnd } from './stream-end.ts'
import type { Streams, TasksStream } from './streams.ts'
import { encodeRecord, readyAtOf, type TaskRecord, type Version, versionOf } from './task-record.ts'

/** The lease of a version. */
export interface Grant {
  readonly leaseMs: number
  /** Somebody found it over, and is about to supersede the version: it can't be extended any more. */
  readonly over?: boolean
}

export interface StoredGrant extends Grant {
  readonly sequence: number
  readonly storedAt: number
}

export class Store {
  readonly names: QueueNames
  readonly time: ServerTime
  readonly dedup: DedupIds
  readonly results: KeptResults
  readonly deadNotes: DeadNotes
  readonly #jetstream: JetStream
  readonly #oldGrants: OldGrants
  readonly #streams: Streams
  readonly #laterEnd: StreamEnd
  readonly #marksEnd: StreamEnd
  #tasksEnd: StreamEnd
  #tasks: TasksStream

  constructor(jetstream: JetStream, streams: Streams, tasks: TasksStream, clock: Clock) {
    this.#jetstream = jetstream
    this.#streams = streams
    this.#tasks = tasks
    this.names = streams.names
    this.time = new ServerTime(clock, jetstream, this.names.marksStream, this.names.clock)
    this.#tasksEnd = this.#endOf(tasks)
    this.#laterEnd = new StreamEnd(jetstream, this.names.laterStream, this.names.laterAnchor)
    this.#marksEnd = new StreamEnd(jetstream, this.names.marksStream, this.names.marksAnchor)
    const forgetMark = async (sequence: number) => {
      await this.#marksEnd.passes(sequence)
      await jetstream.forget(this.names.marksStream, sequence)
    }
    this.dedup = new DedupIds(jetstream, this.names, this.time, forgetMark)
    this.#oldGrants = new OldGrants(clock, forgetMark)
    this.results = new KeptResults(jetstream, this.names, this.time)
    this.deadNotes = new DeadNotes(jetstream, streams, () => this.#tasks.era)
  }

  get tasksStream(): string {
    return this.#tasks.name
  }

  /** Makes what is missing; whether the stream of the tasks had to be made, or is another one. */
  async restore(): Promise<boolean> {
    const before = this.#tasks.name
    this.#tasks = await this.#streams.ensure()
    this.#tasksEnd = this.#endOf(this.#tasks)
    for (const end of [this.#laterEnd, this.#marksEnd]) end.forget()
    return this.#tasks.name !== before
  }

  /** Whether the stream of the tasks had to be given one. */
  haveAnchor(): Promise<boolean> {
    return this.#tasksEnd.haveAnchor()
  }

  async forgetOldAnchor(sequence: number): Promise<void> {
    await this.#tasksEnd.forgetOld(sequence)
  }

  /** The server may be another one, or have lost something. */
  reconnected(): void {
    this.time.forget()
    for (const end of [this.#tasksEnd, this.#laterEnd, this.#marksEnd]) end.forget()
  }

  /** Stores the first version of a task; undefined if its id is taken. */
  begin(record: TaskRecord): Promise<number | undefined> {
    return this.#storeAfter(0, record)
  }

  /** Stores the successor; undefined if the version is no longer the last one of its task. */
  async supersede(version: Version, successor: TaskRecord): Promise<number | undefined> {
    await this.removePrevious(version)
    return this.#storeAfter(version.sequence, successor)
  }

  /** Whether it was there. */
  async remove(sequence: number): Promise<boolean> {
    await this.#tasksEnd.passes(sequence)
    return this.#jetstream.remove(this.tasksStream, sequence)
  }

  /** Before anything is done about a version. */
  async removePrevious({ sequence, record: { previous } }: Version): Promise<void> {
    this.#tasksEnd.know(sequence)
    if (previous !== undefined) await this.remove(previous)
  }

  async versionAt(sequence: number): Promise<Version | undefined> {
    return versionOf(await this.#jetstream.at(this.tasksStream, sequence))
  }

  async lastVersion(id: string): Promise<Version | undefined> {
    return versionOf(await this.#jetstream.last(this.tasksStream, this.names.task(id)))
  }

  /** The first version at or after a sequence. */
  async nextVersion(sequence: number): Promise<Version | undefined> {
    return versionOf(await this.#jetstream.next(this.tasksStream, this.names.allTasks, sequence))
  }

  /** Whether another version of the task came after this one. */
  async isSuperseded({ record, sequence }: Version): Promise<boolean> {
    const last = await this.#jetstream.last(this.tasksStream, this.names.task(record.id))
    return last !== undefined && last.sequence > sequence
  }

  /**
   * Stores the grant of a version: its first one with `last` 0, else in the place of the one with that sequence. Answers its
   * sequence; undefined if another one is there.
   */
  async grant(version: number, grant: Grant, last: number): Promise<number | undefined> {
    const subject = this.names.grant(this.#tasks.era, version)
    const stored = await unlessOutrun(this.#jetstream.publish(subject, JSON.stringify(grant), { lastSequence: last }))
    this.#marksEnd.know(stored ?? 0)
    return stored
  }

  async grantOf(version: number): Promise<StoredGrant | undefined> {
    const message = await this.#jetstream.last(this.names.marksStream, this.names.grant(this.#tasks.era, version))
    if (!message) return undefined
    const { data, sequence, storedAt } = message
    return { ...(JSON.parse(Buffer.from(data).toString()) as Grant), sequence, storedAt }
  }

  /** The version is to be looked at when it is due. If there is a note already, that one stays; whether this one was stored. */
  async noteLater(version: number, dueAt: number): Promise<boolean> {
    const subject = this.names.later(this.#tasks.era, version)
    const note = JSON.stringify({ version, dueAt })
    const stored = await unlessOutrun(this.#jetstream.publish(subject, note, { lastSequence: 0 }))
    this.#laterEnd.know(stored ?? 0)
    return stored !== undefined
  }

  /** What a version that is not ready needs, when it has just been stored. */
  async noteNew(version: number, { kind, delayMs = 0 }: TaskRecord): Promise<void> {
    if (kind === 'dead') await this.deadNotes.add(version)
    if (kind !== 'delayed') return
    // The version's stamp, from which its delay runs, is not known; it is no later than now.
    const { now, error } = await this.time.now()
    await this.noteLater(version, now + error + delayMs)
  }

  /** The same, when it was met. Whether the note was missing. */
  async noteMet(version: Version): Promise<boolean> {
    if (version.record.kind === 'dead') return this.deadNotes.add(version.sequence)
    return this.noteLater(version.sequence, readyAtOf(version))
  }

  async removeLaterNote(note: number): Promise<void> {
    await this.#laterEnd.passes(note)
    await this.#jetstream.remove(this.names.laterStream, note)
  }

  /** Tells the consumer that a version or a note is done with. */
  async finish(ackSubject: string): Promise<void> {
    await this.#jetstream.done(ackSubject)
  }

  /** Tells the consumer of the tasks of versions that are gone. */
  finishGone(from: number, to: number): void {
    for (let sequence = from; sequence <= to; sequence++) {
      this.#jetstream.doneWithGone(this.tasksStream, READY, sequence)
    }
  }

  /** A grant whose version is gone. */
  retire(grant: number): void {
    this.#oldGrants.add(grant)
  }

  close(): void {
    this.#oldGrants.close()
  }

  pullReady(batch: number, waitMs: number, listener: Listener): { end(): void } {
    return this.#jetstream.pull(this.tasksStream, READY, batch, waitMs, listener)
  }

  pullLater(batch: number, waitMs: number, listener: Listener): { end(): void } {
    return this.#jetstream.pull(this.names.laterStream, LATER, batch, waitMs, listener)
  }

  /** The version is delivered again after `delayMs`, if nothing else happens. */
  lookAgain(ackSubject: string, delayMs: number): void {
    this.#jetstream.deliverAgain(ackSubject, delayMs)
  }

  /** The consumer may deliver the version to somebody else. */
  giveBack(ackSubject: string): Promise<void> {
    return this.#jetstream.giveBack(ackSubject)
  }

  /** Names the grant of a version. */
  tokenOf(version: number): string {
    return `${this.#tasks.era}.${version}`
  }

  /** @throws JetStreamError if the consumer is gone (`isGone`). */
  async checkReady(): Promise<void> {
    await this.#streams.consumerInfo(this.tasksStream, READY)
  }

  async checkLater(): Promise<void> {
    await this.#streams.consumerInfo(this.names.laterStream, LATER)
  }

  counts(): Promise<Counts> {
    return countTasks(this.#streams, this.#tasksEnd, this.#laterEnd)
  }

  /** Stores a version of a task, if the one with sequence `last` is its last one. */
  async #storeAfter(last: number, record: TaskRecord): Promise<number | undefined> {
    const expected = { lastSequence: last, stream: this.tasksStream }
    const storing = this.#jetstream.publish(this.names.task(record.id), encodeRecord(record), expected)
    const stored = await unlessOutrun(storing)
    this.#tasksEnd.know(stored ?? 0)
    return stored
  }

  #endOf({ name, lastSequence }: TasksStream): StreamEnd {
    const end = new StreamEnd(this.#jetstream, name, this.names.tasksAnchor)
    end.know(lastSequence)
    return end
  }
}
