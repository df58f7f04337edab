/**
 * Ten entries a request: whoever comes while requests are under way waits for company, and goes when there are ten, or when
 * a request is back, or after the time to linger. So a single caller waits for nobody (or for `lingerMs`), and many callers
 * at once pay a tenth of a request each.
 */

import type { CancelTimer, Clock } from '../../clock.ts'

export interface EntryBatchesOptions<Item, Result> {
  readonly clock: Clock
  /** How long the first one waits for others while no request is under way, milliseconds. */
  readonly lingerMs: number
  /** So many requests at once, at most. */
  readonly requests: number
  readonly bytesOf: (item: Item) => number
  /** All entries of a request together. */
  readonly maxBytes: number
  /** Answers each item, in order. If it rejects, every item of the request is told so. */
  readonly send: (items: readonly Item[]) => Promise<readonly Result[]>
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly bytes: number
  readonly resolve: (result: Result) => void
  readonly reject: (thrown: unknown) => void
}

export const ENTRIES = 10

export class EntryBatches<Item, Result> {
  readonly #options: EntryBatchesOptions<Item, Result>
  readonly #waiting: Waiting<Item, Result>[] = []
  #underWay = 0
  #starting: CancelTimer | 'soon' | undefined

  constructor(options: EntryBatchesOptions<Item, Result>) {
    this.#options = options
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, bytes: this.#options.bytesOf(item), resolve, reject })
      this.#go()
    })
  }

  #go(): void {
    const { requests, lingerMs, clock } = this.#options
    if (this.#waiting.length >= ENTRIES) {
      if (typeof this.#starting === 'function') this.#starting()
      this.#starting = undefined
      while (this.#waiting.length >= ENTRIES && this.#underWay < requests) void this.#request()
    }
    if (this.#waiting.length === 0 || this.#underWay > 0 || this.#starting !== undefined) return
    const start = () => {
      this.#starting = undefined
      if (this.#waiting.length > 0 && this.#underWay < requests) void this.#request()
    }
    // Those that are called in one go, without waiting, still come together.
    if (lingerMs > 0) this.#starting = clock.after(lingerMs, start)
    else {
      this.#starting = 'soon'
      queueMicrotask(start)
    }
  }

  async #request(): Promise<void> {
    const group = this.#waiting.splice(0, this.#fitting())
    this.#underWay++
    try {
      const results = await this.#options.send(group.map(({ item }) => item))
      group.forEach(({ resolve }, index) => resolve(results[index] as Result))
    } catch (thrown) {
      for (const { reject } of group) reject(thrown)
    }
    this.#underWay--
    // What came meanwhile has waited long enough.
    if (this.#waiting.length > 0 && this.#starting === undefined) void this.#request()
    this.#go()
  }

  #fitting(): number {
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes
      if (count >= ENTRIES || (count > 0 && bytes > this.#options.maxBytes)) break
      count++
    }
    return count
  }
}
