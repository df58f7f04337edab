/**
 * Keeps the last message of a stream where it is, so that the stream is never empty.
 *
 * A server that is killed at the moment in which it removes the last message of a file may count from a lower sequence when
 * it is back: NATS 2.9, and others up to 2.12 in ways of their own. What it acknowledges from then on stands under sequences
 * of messages that were deleted, and 2.9 takes some of it for deleted, too.
 *
 *     a message is removed only when a later one is known to have been stored
 *
 * So the last one is never removed: whoever removed it would know a later one. Where none is known an anchor is stored, which
 * replaces the anchor before it. Known are the sequences that this process was told of, by whatever it stored or was given.
 */

import type { JetStream } from './jetstream.ts'
import { isFull, isOutrun } from './nats-errors.ts'

/** How it says in the place of a task or a note that it is none. */
const ANCHOR = `${JSON.stringify({ kind: 'anchor' })}\n`

type Messages = Pick<JetStream, 'publish' | 'last' | 'forget'>

export class StreamEnd {
  readonly stream: string
  readonly #jetstream: Messages
  readonly #subject: string
  /** A message with this sequence was stored. */
  #known = 0
  /** The sequence of the anchor, as far as is known; 0: there is none. */
  #anchor = 0
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
    try {
      while (sequence >= this.#known) await this.#anchorOnce()
    } catch (thrown) {
      // A full store gets no emptier if nothing may be removed.
      if (!isFull(thrown)) throw thrown
    }
  }

  /** An anchor was met: only the last one is needed. */
  async forgetOld(anchor: number): Promise<void> {
    await this.#readAnchor()
    if (anchor < this.#anchor) await this.#jetstream.forget(this.stream, anchor)
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
    try {
      const expected = { lastSequence: before, stream: this.stream }
      this.#anchor = await this.#jetstream.publish(this.#subject, ANCHOR, expected)
    } catch (thrown) {
      if (!isOutrun(thrown)) throw thrown
      // Somebody else's is there, which may be late enough.
      return this.#readAnchor()
    }
    this.know(this.#anchor)
    // One that stays is no harm, and is met by the patrol.
    if (before > 0) await this.#jetstream.forget(this.stream, before).catch(() => undefined)
  }

  async #readAnchor(): Promise<void> {
    const message = await this.#jetstream.last(this.stream, this.#subject)
    this.#anchor = message?.sequence ?? 0
    this.know(this.#anchor)
  }
}
