/**
 * Whether there is room for more tasks: by the depth as it was a moment ago, and what this process has done since. What
 * others did meanwhile is not seen: the bound is kept about.
 */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { Bounds, Depth } from './queue-service.ts'

/** Where each look at the depth costs money. */
const FRESH_MS = 500

export class Room {
  readonly #backend: string
  readonly #freshMs: number
  readonly #clock: Clock
  readonly #depth: () => Promise<Depth>
  #counted = 0
  #until = Number.NEGATIVE_INFINITY
  #counting: Promise<void> | undefined

  /** @param freshMs So old may the depth be that is counted from. */
  constructor(backend: string, clock: Clock, depth: () => Promise<Depth>, freshMs = FRESH_MS) {
    this.#freshMs = freshMs
    this.#backend = backend
    this.#clock = clock
    this.#depth = depth
  }

  /** How many of `wanted` tasks there is room for; they count from now on. */
  async take(wanted: number, bounds: Bounds): Promise<number> {
    this.#check(bounds)
    const { maxDepth } = bounds
    if (maxDepth === undefined) return wanted
    if (this.#clock.monotonic() >= this.#until) {
      this.#counting ??= this.#count().finally(() => {
        this.#counting = undefined
      })
      await this.#counting
    }
    const taken = Math.max(0, Math.min(wanted, maxDepth - this.#counted))
    this.#counted += taken
    return taken
  }

  /** So many tasks have left the queue. */
  left(count: number): void {
    this.#counted -= count
  }

  async #count(): Promise<void> {
    const { ready, delayed, inFlight } = await this.#depth()
    this.#counted = ready + delayed + inFlight
    this.#until = this.#clock.monotonic() + this.#freshMs
  }

  #check({ maxBytes, overflow = 'reject' }: Bounds): void {
    if (maxBytes !== undefined) throw this.#unsupported('maxBytes', 'use maxDepth')
    if (overflow !== 'reject') throw this.#unsupported('overflow', "use 'reject'")
  }

  #unsupported(path: string, instead: string): ForebayError {
    const message = `The ${this.#backend} backend can't keep ${path}: ${instead}, or sqlite, postgres or redis. Nothing was stored.`
    return new ForebayError('UNSUPPORTED', message, { path })
  }
}
