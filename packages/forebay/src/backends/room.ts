/**
 * Whether there is room for more tasks: by the depth as it was a moment ago, and what this process has done since. What
 * others did meanwhile is not seen: the bound is kept about. Of engines that can't decide it in the step that stores a task.
 */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { Bounds, Depth, NewTask, PushResult, Settlement, SettleResult } from './queue-service.ts'

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

  /**
   * Stores as many of the tasks as there is room for; the rest is `full`.
   * @param store What became of each; undefined: all were accepted. If it rejects nobody knows, and they count until the next look.
   * @throws ForebayError UNSUPPORTED: a bound that can't be kept, or a transaction.
   */
  async push(
    tasks: readonly NewTask[],
    bounds: Bounds,
    transaction: unknown,
    store: (some: readonly NewTask[]) => Promise<readonly PushResult[] | undefined>,
  ): Promise<PushResult[]> {
    if (transaction !== undefined) {
      const message = `The ${this.#backend} backend cannot push within a transaction; nothing was stored.`
      throw new ForebayError('UNSUPPORTED', message)
    }
    const some = tasks.slice(0, await this.#take(tasks.length, bounds))
    const stored = (await store(some)) ?? some.map(({ id }): PushResult => ({ status: 'accepted', id }))
    this.#counted -= stored.filter(({ status }) => status !== 'accepted').length
    return tasks.map((_, index) => stored[index] ?? { status: 'full', bound: 'depth' })
  }

  /** What is over has left the queue. */
  noteSettled(settlements: readonly Settlement[], results: readonly SettleResult[]): void {
    for (const [index, { outcome }] of settlements.entries()) {
      if (results[index]?.status === 'settled' && outcome !== 'retry' && outcome !== 'release') this.#counted--
    }
  }

  /** How many of `wanted` tasks there is room for; they count from now on. */
  async #take(wanted: number, bounds: Bounds): Promise<number> {
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
