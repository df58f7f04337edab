/**
 * Claimer: the one claim that is under way, parked at the backend until work arrives. A claim that fails is waited out with
 * backoff before the next one.
 */

import type { Claim } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { RandomSource } from '../random.ts'
import { BACKEND_BACKOFF } from './settler.ts'

/** A claim that is not answered by now waits for work. */
const PARKED_AFTER_MS = 100

export interface ClaimerOptions {
  readonly clock: Clock
  readonly random: RandomSource
  /** Asks the backend. */
  readonly ask: (max: number, signal: AbortSignal) => Promise<readonly Claim[]>
  /** @param asked When the backend was asked, by the monotonic clock. */
  readonly onClaims: (claims: readonly Claim[], asked: number) => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
  /** The claim is over; another may be made. */
  readonly onOver: () => void
}

export class Claimer {
  readonly #options: ClaimerOptions
  #underWay: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  #failed = 0
  #asked = 0
  #isFilled = false

  constructor(options: ClaimerOptions) {
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  /** Until when more tasks are likely to wait: the last claim brought as many as it asked for, and the next is not parked. */
  get filledUntil(): number {
    if (!this.#isFilled) return Number.NEGATIVE_INFINITY
    return this.#underWay ? this.#asked + PARKED_AFTER_MS : Number.POSITIVE_INFINITY
  }

  /** Begins a claim; none may be under way. */
  claim(max: number): void {
    const abort = new AbortController()
    const done = this.#claim(max, abort.signal).finally(() => {
      this.#underWay = undefined
      this.#options.onOver()
    })
    this.#underWay = { abort, done }
  }

  /** Ends the wait of the claim that is under way; what it was granted still comes. */
  abort(): void {
    this.#underWay?.abort.abort()
  }

  /** Resolves when no claim is under way. */
  async idle(): Promise<void> {
    await this.#underWay?.done
  }

  async #claim(max: number, signal: AbortSignal): Promise<void> {
    const { clock, random, ask, onClaims, onError } = this.#options
    const asked = clock.monotonic()
    this.#asked = asked
    try {
      const claims = await ask(max, signal)
      this.#failed = 0
      this.#isFilled = claims.length === max
      onClaims(claims, asked)
    } catch (thrown) {
      const retryInMs = fullJitter(++this.#failed, random.next(), BACKEND_BACKOFF)
      onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
      await sleep(clock, retryInMs, signal).catch(() => undefined)
    }
  }
}
