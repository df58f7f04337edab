/** One line of a `MemoryStore`: the ready tasks of a key, or of all that have none, by rank. */

import type { LineState } from '../line-state.ts'
import { LINE } from '../line-state.ts'
import type { Entry } from './entry.ts'
import { Heap } from './heap.ts'

const lowerRank = (a: Entry, b: Entry) => a.rank < b.rank || (a.rank === b.rank && a.order < b.order)

/** So many ranks are compared at most when it is asked how many go before another. */
const MOST_COMPARED = 10_000

export class Line implements LineState {
  /** Undefined: the common line. */
  readonly key: string | undefined
  weight: number
  cost: number
  finish = 0
  score = 0
  entered = 0
  state: number = LINE.idle
  inFlight = 0
  nextAt = 0
  /** How many tasks refer to it: queued ones, in whatever state. */
  tasks = 0
  /** The heap in which it stands, and its place there. */
  heap: Heap<'at', Line> | undefined
  at = -1
  readonly #entries = new Heap<'atRank', Entry>('atRank', lowerRank)
  /** No ready one's rank is higher. */
  #highestRank = Number.NEGATIVE_INFINITY

  constructor(key: string | undefined, weight: number, cost: number) {
    this.key = key
    this.weight = weight
    this.cost = cost
  }

  /** Undefined: of the common line. */
  get ownWeight(): number | undefined {
    return this.key === undefined ? undefined : this.weight
  }

  get ready(): number {
    return this.#entries.size
  }

  get first(): Entry | undefined {
    return this.#entries.peek()
  }

  add(entry: Entry): void {
    this.#highestRank = this.ready === 0 ? entry.rank : Math.max(this.#highestRank, entry.rank)
    this.#entries.push(entry)
  }

  remove(entry: Entry): void {
    this.#entries.remove(entry)
  }

  /** How many ready ones go before one that comes now with this rank; of very many, estimated from an even sample. */
  before(rank: number): number {
    if (this.ready === 0 || this.#highestRank <= rank) return this.ready
    const sample = this.#entries.sample(MOST_COMPARED)
    const before = sample.filter((entry) => entry.rank <= rank).length
    return Math.round((before / sample.length) * this.ready)
  }
}
