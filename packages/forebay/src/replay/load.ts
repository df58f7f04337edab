/**
 * Offers a load as it was recorded: each request is sent when it is due, whatever became of those before it (an open loop:
 * a slow door never slows the offering, as real users don't wait for each other).
 *
 * Due times are absolute, counted from one start: after a late wake-up all that fell due meanwhile is sent at once, so the
 * offering never drifts.
 */

import { type Clock, sleep } from '../clock.ts'
import type { DoorEnd } from './figures.ts'
import { steadyWallTime } from './wall-time.ts'

/** What a door said to one attempt. */
export type Answer =
  | { readonly end: 'accepted' }
  | { readonly end: 'refused'; readonly retryAfterMs: number | undefined }
  /** `why`: a status or an error's code, for counting. */
  | { readonly end: 'failed'; readonly why: string }

/** Sends request `index`; never rejects. It shall give up when the signal aborts. */
export type Door = (index: number, signal: AbortSignal) => Promise<Answer>

export interface LoadOptions {
  readonly clock: Clock
  /** How long a producer waits for an answer to one attempt, milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  /**
   * A producer that obeys: after a refusal it sends the request again exactly `Retry-After` later, and after no answer
   * `RETRY_UNANSWERED_MS` later, until it is accepted or `giveUpMs` have passed since it was due. Default false: one attempt.
   */
  readonly retry?: boolean
  /** Default 600,000. */
  readonly giveUpMs?: number
  /** Called when a request was sent for the first time, and when it has ended. */
  readonly onChange?: (progress: LoadProgress) => void
  /** Ends the load: what is under way is given up, and `offerLoad` rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface LoadProgress {
  readonly offered: number
  readonly accepted: number
  readonly refused: number
  readonly failed: number
}

/** How well refusals told the truth. */
export interface RefusalReport {
  readonly refusals: number
  /** Of these, the ones that said when to come again. */
  readonly withRetryAfter: number
  /** Of these, the ones after which the request was sent again at exactly that time and answered. */
  readonly obeyed: number
  /** Of these, the ones that were then accepted. */
  readonly acceptedThen: number
}

export interface LoadReport {
  /** Epoch milliseconds at which the load began. */
  readonly startEpochMs: number
  /** How each request ended at the door. */
  readonly door: readonly DoorEnd[]
  /** When it ended, milliseconds since the start. */
  readonly endedMs: Float64Array
  readonly refusals: RefusalReport
  /** Why attempts failed, and how often. */
  readonly failures: ReadonlyMap<string, number>
}

/** A producer that had no answer sends the request again after this time. */
export const RETRY_UNANSWERED_MS = 250

/** More requests than this are never under way at once; what exceeds it has failed (the producers' machine is full). */
const MOST_UNDER_WAY = 20_000

const DEFAULTS = { timeoutMs: 10_000, giveUpMs: 600_000 }

/**
 * @param dueMs When each request is due, milliseconds from the start, never falling.
 * @returns When every request has ended.
 */
export async function offerLoad(dueMs: ArrayLike<number>, door: Door, options: LoadOptions): Promise<LoadReport> {
  return new Load(dueMs, door, options).run()
}

class Load {
  readonly #dueMs: ArrayLike<number>
  readonly #sendThrough: Door
  readonly #options: LoadOptions
  readonly #clock: Clock
  readonly #ends: DoorEnd[]
  readonly #endedMs: Float64Array
  readonly #failures = new Map<string, number>()
  readonly #progress = { offered: 0, accepted: 0, refused: 0, failed: 0 }
  readonly #refusals = { refusals: 0, withRetryAfter: 0, obeyed: 0, acceptedThen: 0 }
  #start = 0
  #underWay = 0

  constructor(dueMs: ArrayLike<number>, door: Door, options: LoadOptions) {
    this.#dueMs = dueMs
    this.#sendThrough = door
    this.#options = options
    this.#clock = options.clock
    this.#ends = new Array<DoorEnd>(dueMs.length).fill('failed')
    this.#endedMs = new Float64Array(dueMs.length)
  }

  async run(): Promise<LoadReport> {
    const startEpochMs = steadyWallTime(this.#clock)()
    this.#start = this.#clock.monotonic()
    const { signal } = this.#options
    const requests: Promise<void>[] = []
    while (requests.length < this.#dueMs.length) {
      const due = this.#dueMs[requests.length] as number
      const elapsed = this.#elapsed()
      if (due <= elapsed) requests.push(this.#request(requests.length))
      else await sleep(this.#clock, due - elapsed, signal)
    }
    await Promise.all(requests)
    signal?.throwIfAborted()
    return {
      startEpochMs,
      door: this.#ends,
      endedMs: this.#endedMs,
      refusals: this.#refusals,
      failures: this.#failures,
    }
  }

  #elapsed(): number {
    return this.#clock.monotonic() - this.#start
  }

  /** One request, from its due time to its end. */
  async #request(index: number): Promise<void> {
    this.#progress.offered += 1
    this.#tell()
    const giveUpAt = (this.#dueMs[index] as number) + (this.#options.giveUpMs ?? DEFAULTS.giveUpMs)
    let obeying = false
    for (;;) {
      const answer = await this.#attempt(index)
      if (obeying) this.#refusals.obeyed += 1
      if (obeying && answer.end === 'accepted') this.#refusals.acceptedThen += 1
      const waitMs = this.#waitBeforeRetry(answer)
      obeying = answer.end === 'refused' && answer.retryAfterMs !== undefined
      if (waitMs === undefined || this.#elapsed() + waitMs > giveUpAt || this.#options.signal?.aborted) {
        return this.#end(index, answer.end)
      }
      await sleep(this.#clock, waitMs, this.#options.signal).catch(() => undefined)
    }
  }

  /** undefined: it has ended. */
  #waitBeforeRetry(answer: Answer): number | undefined {
    if (answer.end === 'accepted' || !this.#options.retry) return undefined
    return answer.end === 'refused' ? (answer.retryAfterMs ?? RETRY_UNANSWERED_MS) : RETRY_UNANSWERED_MS
  }

  async #attempt(index: number): Promise<Answer> {
    const answer = this.#underWay < MOST_UNDER_WAY ? await this.#send(index) : overflow
    if (answer.end === 'failed') this.#failures.set(answer.why, (this.#failures.get(answer.why) ?? 0) + 1)
    if (answer.end === 'refused') {
      this.#refusals.refusals += 1
      if (answer.retryAfterMs !== undefined) this.#refusals.withRetryAfter += 1
    }
    return answer
  }

  async #send(index: number): Promise<Answer> {
    this.#underWay += 1
    const abort = new AbortController()
    const giveUp = () => abort.abort()
    const cancel = this.#clock.after(this.#options.timeoutMs ?? DEFAULTS.timeoutMs, giveUp)
    this.#options.signal?.addEventListener('abort', giveUp, { once: true })
    const answer = await this.#sendThrough(index, abort.signal)
    this.#options.signal?.removeEventListener('abort', giveUp)
    cancel()
    this.#underWay -= 1
    return answer.end === 'failed' && abort.signal.aborted ? timedOut : answer
  }

  #end(index: number, end: DoorEnd): void {
    this.#ends[index] = end
    this.#endedMs[index] = this.#elapsed()
    this.#progress[end] += 1
    this.#tell()
  }

  #tell(): void {
    this.#options.onChange?.(this.#progress)
  }
}

const overflow: Answer = { end: 'failed', why: 'too many under way' }
const timedOut: Answer = { end: 'failed', why: 'no answer in time' }
