/**
 * The ready tasks of a `MemoryStore` in the orders in which they may have to give way. Each order is kept from the first time
 * that it is asked for, so that a queue without such a policy pays nothing.
 */

import { type Evicting, type Excess, victimsOf } from '../eviction.ts'
import type { Entry } from './entry.ts'
import { Heap } from './heap.ts'

export class Evictable {
  #oldest: Heap<'atOrder', Entry> | undefined
  #lowest: Heap<'atLowest', Entry> | undefined

  add(entry: Entry): void {
    this.#oldest?.push(entry)
    this.#lowest?.push(entry)
  }

  remove(entry: Entry): void {
    this.#oldest?.remove(entry)
    this.#lowest?.remove(entry)
  }

  /**
   * Those that give way to a newcomer of this priority; undefined if they can't make room. They are still here.
   * @param all Every entry of the store.
   */
  victims(excess: Excess, overflow: Evicting, priority: number, all: Iterable<Entry>): Entry[] | undefined {
    const order = overflow === 'drop-oldest' ? this.#byOrder(all) : this.#byPriority(all)
    const looked: Entry[] = []
    const next = (): Entry | undefined => {
      const first = order.peek()
      if (!first || (overflow === 'drop-lowest-priority' && first.task.priority >= priority)) return undefined
      looked.push(first)
      return order.pop()
    }
    const victims = victimsOf(excess, next)
    for (const entry of looked) order.push(entry)
    return victims
  }

  #byOrder(all: Iterable<Entry>): Heap<'atOrder', Entry> {
    if (this.#oldest) return this.#oldest
    this.#oldest = new Heap('atOrder', (a, b) => a.order < b.order)
    for (const entry of all) if (entry.state === 'ready') this.#oldest.push(entry)
    return this.#oldest
  }

  #byPriority(all: Iterable<Entry>): Heap<'atLowest', Entry> {
    if (this.#lowest) return this.#lowest
    this.#lowest = new Heap('atLowest', (a, b) => {
      const [one, other] = [a.task.priority, b.task.priority]
      return one < other || (one === other && a.order > b.order)
    })
    for (const entry of all) if (entry.state === 'ready') this.#lowest.push(entry)
    return this.#lowest
  }
}
