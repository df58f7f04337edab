/**
 * Room in a full queue: who waits for it asks here for the next that there is.
 *
 * It wakes by events: what this process settles frees places, and is counted. What other processes settle is seen by
 * looking, at the pace at which the queue drains: when about a tenth of it should be free, at most twenty times a second
 * and at least once. Nobody looks while nobody waits.
 *
 *     known full -> (enough was freed here, or it is time to look) -> looks -> room: told;   none: known full
 */

import type { Bounds } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import type { DepthGauge } from './depth-gauge.ts'

export interface Places {
  readonly tasks: number
  /** Of payload; Infinity if there is no bound, or if the backend does not say. */
  readonly bytes: number
}

/** A few places are worth one look. */
const WORTH_SHARE = 0.1
const WORTH_AT_MOST = 100
/** But what was freed waits no longer than this for more. */
const GATHER_MS = 50
const LOOK_SOONEST_MS = 50
const LOOK_LATEST_MS = 1_000

export interface RoomOptions {
  readonly bounds: Bounds
  readonly gauge: DepthGauge
  readonly clock: Clock
  /** Places that are kept for others. */
  readonly reserved: () => number
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

export class Room {
  readonly #options: RoomOptions
  readonly #worth: number
  #isFull = false
  /** Places that this process has freed since the last look. */
  #freed = 0
  #wake: (() => void) | undefined

  constructor(options: RoomOptions) {
    this.#options = options
    const { maxDepth = WORTH_AT_MOST } = options.bounds
    this.#worth = Math.min(WORTH_AT_MOST, Math.max(1, Math.ceil(maxDepth * WORTH_SHARE)))
  }

  /** A push found none. */
  noteFull(): void {
    this.#isFull = true
  }

  noteFreed(count: number): void {
    this.#freed += count
    this.#wake?.()
  }

  /** Resolves with the next room that there is, or with undefined once the signal is aborted. */
  async next(signal: AbortSignal): Promise<Places | undefined> {
    while (!signal.aborted) {
      if (this.#isFull) await this.#change(signal)
      if (signal.aborted) break
      this.#freed = 0
      const places = await this.#tryNow()
      if (places && places.tasks >= 1 && places.bytes >= 1) return places
      this.#isFull = true
    }
    return undefined
  }

  /** The room that there is. Rejects if the backend does not answer. */
  async now(): Promise<Places> {
    const { gauge, bounds, reserved } = this.#options
    const { maxDepth = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = bounds
    const { ready, delayed, inFlight, bytes } = await gauge.look()
    return { tasks: maxDepth - reserved() - ready - delayed - inFlight, bytes: maxBytes - (bytes ?? 0) }
  }

  async #tryNow(): Promise<Places | undefined> {
    try {
      return await this.now()
    } catch (thrown) {
      this.#options.onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), this.#lookInMs)
      return undefined
    }
  }

  get #lookInMs(): number {
    const perSecond = this.#options.gauge.drain.perSecond ?? 0
    return Math.min(LOOK_LATEST_MS, Math.max(LOOK_SOONEST_MS, (1_000 * this.#worth) / perSecond))
  }

  /** Resolves when enough was freed, or something a while ago, or when it is time to look. */
  #change(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const cancels = [clock.after(this.#lookInMs, () => end())]
      let gathering = false
      const end = () => {
        for (const cancel of cancels) cancel()
        signal.removeEventListener('abort', end)
        this.#wake = undefined
        this.#isFull = false
        resolve()
      }
      this.#wake = () => {
        if (this.#freed >= this.#worth) end()
        else if (this.#freed > 0 && !gathering) {
          gathering = true
          cancels.push(clock.after(GATHER_MS, end))
        }
      }
      signal.addEventListener('abort', end, { once: true })
      this.#wake()
    })
  }
}
