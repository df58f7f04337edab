/**
 * What happens at the bound of a queue: who is refused, when to come again, and who was promised a place. It keeps the
 * waiting line of those who were refused.
 */

import { createHash } from 'node:crypto'
import type { Bounds } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { WaitingLine } from '../flow/waiting-line.ts'
import type { Candidate } from './candidate.ts'
import type { DepthGauge } from './depth-gauge.ts'

/** The drain rate is measured this often while tasks are being refused. */
const SAMPLE_EVERY_MS = 500

/** A guess for when nothing is known: wrong for a second at most, since then two samples are there. */
const GUESSED_DEPTH = 1_000
const GUESSED_DRAIN_S = 10

/** What is pushed with these can only turn out to be there already. */
export const NOTHING_FITS: Bounds = { maxDepth: 0 }

interface Identity {
  readonly text: string
  /** Whether it belongs to this task alone. */
  readonly unique: boolean
}

export class FullQueue {
  readonly bounds: Bounds
  readonly #queue: string
  readonly #clock: Clock
  readonly #gauge: DepthGauge
  readonly #guessedPerSecond: number
  readonly #line = new WaitingLine()

  /** @param bounds With the `overflow` that the backend keeps. */
  constructor(queue: string, bounds: Bounds, clock: Clock, gauge: DepthGauge) {
    this.#queue = queue
    this.bounds = bounds
    this.#clock = clock
    this.#gauge = gauge
    this.#guessedPerSecond = (bounds.maxDepth ?? GUESSED_DEPTH) / GUESSED_DRAIN_S
  }

  get isBounded(): boolean {
    return this.bounds.maxDepth !== undefined || this.bounds.maxBytes !== undefined
  }

  /**
   * The bounds that hold for this task now: whole for one that was promised a place, less the promised places for others.
   * @param isClosed Whether others go in first: then only promised ones have room.
   */
  boundsFor(candidate: Candidate, isClosed: boolean): Bounds | undefined {
    if (!this.isBounded) return undefined
    const { maxDepth, overflow = 'reject' } = this.bounds
    if (this.#line.length > 0 && this.#line.redeem(this.#clock.monotonic(), identify(candidate).text))
      return this.bounds
    if (isClosed) return NOTHING_FITS
    // Nothing is kept free by dropping what is there.
    if (maxDepth === undefined || overflow !== 'reject') return this.bounds
    const reserved = this.reserved
    return reserved === 0 ? this.bounds : { ...this.bounds, maxDepth: maxDepth - reserved }
  }

  /** How many places newcomers may not use now. */
  get reserved(): number {
    const { maxDepth } = this.bounds
    if (maxDepth === undefined || this.#line.length === 0) return 0
    return this.#line.reserved(this.#clock.monotonic(), maxDepth)
  }

  /** The refusal, with the time at which a place will be free for this task. */
  refuse(candidate: Candidate, bound: 'depth' | 'bytes'): ForebayError {
    const { text, unique } = identify(candidate)
    this.#gauge.lookSoon(SAMPLE_EVERY_MS)
    const perSecond = this.#gauge.drain.perSecond || this.#guessedPerSecond
    const retryAfterMs = this.#line.promise(this.#clock.monotonic(), text, unique, perSecond)
    const limit = bound === 'depth' ? `${this.bounds.maxDepth} tasks` : `${this.bounds.maxBytes} bytes`
    const message = `Queue "${this.#queue}" is full at ${limit}. The task was not stored; there will be room in ${retryAfterMs / 1_000} s.`
    return new ForebayError('QUEUE_FULL', message, { retryAfterMs })
  }
}

/** A task that comes again is known by the id that its producer gave it, or else by its content. */
function identify({ input, task }: Candidate): Identity {
  if (input.id !== undefined) return { text: `id:${input.id}`, unique: true }
  if (input.dedupId !== undefined) return { text: `dedup:${input.dedupId}`, unique: true }
  const hash = createHash('sha1').update(`${task.type}\n${task.key ?? ''}\n${task.payload}`)
  return { text: hash.digest('base64'), unique: false }
}
