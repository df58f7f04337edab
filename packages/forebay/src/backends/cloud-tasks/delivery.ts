/** A task that Cloud Tasks has delivered and that is held here: its HTTP requests stay open until it is answered. */

import type { Letter } from '../task-letter.ts'

/** One HTTP request that waits for its answer. */
export interface OpenRequest {
  readonly isOpen: boolean
  /** Answers; resolves with whether the answer went out before the other side was gone. */
  answer(status: number, retryAfterS?: number): Promise<boolean>
}

/** So much before the deadline a delivery is let go of: the answer must be on its way, and clocks tick differently. */
const MARGIN_MS = 5_000
const MARGIN_SHARE = 0.1

/** The longest lease that can be given: the other half of the deadline is for what waits here to be claimed. */
export function longestLeaseMs(deadlineMs: number): number {
  return Math.floor(deadlineMs / 2)
}

export interface Arrival {
  /** The last part of the task's name at Cloud Tasks. */
  readonly name: string
  /** How many deliveries of it before this one were not answered with success. */
  readonly unanswered: number
  /** What it holds, as it came. */
  readonly body: string
  /** By the monotonic clock. */
  readonly arrivedAt: number
  readonly deadlineMs: number
}

export interface Grant {
  readonly token: string
  /** By the monotonic clock. */
  readonly endsAt: number
}

export class Delivery {
  readonly name: string
  readonly letter: Letter
  /** From the blob store, if it was there. */
  readonly payload: string
  /** The latest time at which it may be held, by the monotonic clock. */
  readonly endsAt: number
  /** Until then it may wait to be claimed. */
  readonly waitsUntil: number
  /** How often it was granted here. */
  grants = 0
  grant: Grant | undefined
  /** Cancels the timer that watches over it. */
  cancel: () => void = () => {}
  #answered: readonly [status: number, retryAfterS?: number] | undefined
  readonly #requests: Set<OpenRequest>

  constructor(arrival: Arrival, letter: Letter, payload: string, requests: Iterable<OpenRequest>) {
    const { name, arrivedAt, deadlineMs } = arrival
    const margin = Math.min(MARGIN_MS, deadlineMs * MARGIN_SHARE)
    this.name = name
    this.letter = letter
    this.payload = payload
    this.endsAt = arrivedAt + deadlineMs - margin
    this.waitsUntil = this.endsAt - longestLeaseMs(deadlineMs)
    this.#requests = new Set(requests)
  }

  /** How often it was granted so far, by all that is known. */
  get attempts(): number {
    return (this.letter.record.granted ?? 0) + this.grants
  }

  /** Cloud Tasks has delivered it once more, though this one was not answered. */
  join(request: OpenRequest): void {
    this.#requests.add(request)
    if (this.#answered) void request.answer(...this.#answered)
  }

  /** One of its requests was cut. Answers whether none is left. */
  leave(request: OpenRequest): boolean {
    this.#requests.delete(request)
    return this.#requests.size === 0
  }

  /** Answers all of its requests; resolves with whether one of them was answered in time. */
  async answer(status: number, retryAfterS?: number): Promise<boolean> {
    this.cancel()
    this.#answered = retryAfterS === undefined ? [status] : [status, retryAfterS]
    const answers = await Promise.all([...this.#requests].map((request) => request.answer(status, retryAfterS)))
    return answers.includes(true)
  }
}
