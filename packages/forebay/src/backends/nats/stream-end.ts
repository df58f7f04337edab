/**
 * Keeps a stream of messages that are removed one by one from what a server that is killed may make of it.
 *
 * Killed while it removes the last message that it has, it may count from a lower sequence when it is back (NATS 2.9, and
 * others up to 2.12 in ways of their own). What it acknowledges from then on stands under sequences of deleted messages, and
 * 2.9 takes some of it for deleted, too. So the last message stays:
 *
 *     a message is removed only when a later one is known to have been stored
 *
 * Whoever removed the last one would know a later one. Where none is known an anchor is stored. Known are the sequences that
 * this process was told of, by whatever it stored or was given.
 *
 * And 2.9, when it is back, may count deleted messages as there. If the first message of the file that it writes to is removed
 * and the next one is such a ghost, the next message that is stored becomes the first: all between are lost. Ghosts are older
 * than the run of the server. So an anchor is removed only when the next one is of the same run, and a new one is stored
 * every `STRIDE` sequences: what comes next after the anchor that stands first is never a ghost.
 */

import type { JetStream } from './jetstream.ts'
import { isFull, isOutrun } from './nats-errors.ts'

/** What an anchor says in the place of a task or a note. */
interface Anchor {
  readonly kind: 'anchor'
  /** Of the server. */
  readonly run: string
}

/** The latest anchor is no farther from the end than about this. */
const STRIDE = 1_000

/** The file that a server writes to has no message that is older than this: it ends at 8 MB. */
const IN_ONE_FILE = 100_000

type Messages = Pick<JetStream, 'publish' | 'last' | 'forget' | 'run'>

export class StreamEnd {
  readonly stream: string
  readonly #jetstream: Messages
  readonly #subject: string
  /** A message with this sequence was stored. */
  #known = 0
  /** The sequence of the latest anchor, as far as is known; 0: there is none. */
  #anchor = 0
  /** In which it was stored. */
  #run = ''
  #anchoring: Promise<void> | undefined

  /** @param subject Of the anchor, and of nothing else in the stream. */
  constructor(jetstream: Messages, stream: string, subject: string) {
    this.#jetstream = jetstream
    this.stream = stream
    this.#subject = subject
  }

  /** Such a message is or was in the stream. */
  know(sequence: number): void {
    this.#known = Math.max(this.#known, sequence)
  }

  /** What was stored may be lost. */
  forget(): void {
    this.#known = 0
    this.#anchor = 0
  }

  /** Resolves when a message later than this one is there, which may now be removed. */
  async passes(sequence: number): Promise<void> {
    if (sequence < this.#known && this.#known - this.#anchor > STRIDE) this.#anchorOnce().catch(() => undefined)
    try {
      while (sequence >= this.#known) await this.#anchorOnce()
    } catch (thrown) {
      // A full store gets no emptier if nothing may be removed.
      if (!isFull(thrown)) throw thrown
    }
  }

  /** An anchor was met, which may be of no more use. */
  async forgetOld(anchor: number): Promise<void> {
    await this.#readAnchor()
    if (anchor < this.#anchor - IN_ONE_FILE) await this.#jetstream.forget(this.stream, anchor)
  }

  /** Stores an anchor if there is none; whether it did. */
  async haveAnchor(): Promise<boolean> {
    await this.#readAnchor()
    if (this.#anchor > 0) return false
    await this.passes(this.#known)
    return true
  }

  /** How many of the stream's subjects are the anchor's: one, or none yet. */
  async anchors(): Promise<number> {
    await this.#readAnchor()
    return Math.sign(this.#anchor)
  }

  /** Those who ask meanwhile are served by the same one. */
  #anchorOnce(): Promise<void> {
    this.#anchoring ??= this.#putAnchor().finally(() => {
      this.#anchoring = undefined
    })
    return this.#anchoring
  }

  async #putAnchor(): Promise<void> {
    const before = this.#anchor
    const { run } = this.#jetstream
    const anchor: Anchor = { kind: 'anchor', run }
    const isLastOfRun = before > 0 && this.#run === run
    try {
      const expected = { lastSequence: before, stream: this.stream }
      this.#anchor = await this.#jetstream.publish(this.#subject, `${JSON.stringify(anchor)}\n`, expected)
      this.#run = run
    } catch (thrown) {
      if (!isOutrun(thrown)) throw thrown
      // Somebody else's is there, which may be late enough.
      return this.#readAnchor()
    }
    this.know(this.#anchor)
    // One that stays is no harm, and is met by the patrol.
    if (isLastOfRun) await this.#jetstream.forget(this.stream, before).catch(() => undefined)
  }

  async #readAnchor(): Promise<void> {
    const message = await this.#jetstream.last(this.stream, this.#subject)
    this.#anchor = message?.sequence ?? 0
    this.#run = message ? (JSON.parse(Buffer.from(message.data).toString()) as Anchor).run : ''
    this.know(this.#anchor)
  }
}
