/**
 * The ready tasks of a `MemoryStore` in the orders in which they may have to give way. Each order is kept from the first time
 * that it is asked for, so that a queue without such a policy pays nothing for it.
 */

import { type Evicting, type Excess, victimsOf } from '../eviction.ts'
import type { Entry } from './entry.ts'
import { Heap } from './heap.ts'

interface Place {
  readonly entry: Entry
  at: number
}

const FIRST: Readonly<Record<Evicting, (a: Entry, b: Entry) => boolean>> = {
  'drop-oldest': (a, b) => a.order < b.order,
  'drop-lowest-priority': ({ task: a, order }, { task: b, order: other }) =>
    a.priority < b.priority || (a.priority === b.priority && order > other),
}

class Order {
  readonly #heap: Heap<'at', Place>
  readonly #places = new Map<Entry, Place>()

  constructor(first: (a: Entry, b: Entry) => boolean) {
    this.#heap = new Heap('at', (a, b) => first(a.entry, b.entry))
  }

  add(entry: Entry): void {
    const place = { entry, at: -1 }
    this.#places.set(entry, place)
    this.#heap.push(place)
  }

  remove(entry: Entry): void {
    const place = this.#places.get(entry)
    if (!place) return
    this.#places.delete(entry)
    this.#heap.remove(place)
  }

  get first(): Entry | undefined {
    return this.#heap.peek()?.entry
  }
}

export class Evictable {
  readonly #orders = new Map<Evicting, Order>()

  add(entry: Entry): void {
    for (const order of this.#orders.values()) order.add(entry)
  }

  remove(entry: Entry): void {
    for (const order of this.#orders.values()) order.remove(entry)
  }

  /**
   * Those that give way to a newcomer of this priority; undefined if they can't make room. They are still here.
   * @param all Every entry of the store.
   */
  victims(excess: Excess, overflow: Evicting, priority: number, all: Iterable<Entry>): Entry[] | undefined {
    const order = this.#order(overflow, all)
    const looked: Entry[] = []
    const victims = victimsOf(excess, () => {
      const { first } = order
      if (!first || (overflow === 'drop-lowest-priority' && first.task.priority >= priority)) return undefined
      order.remove(first)
      looked.push(first)
      return first
    })
    for (const entry of looked) order.add(entry)
    return victims
  }

  #order(overflow: Evicting, all: Iterable<Entry>): Order {
    const known = this.#orders.get(overflow)
    if (known) return known
    const order = new Order(FIRST[overflow])
    for (const entry of all) if (entry.state === 'ready') order.add(entry)
    this.#orders.set(overflow, order)
    return order
  }
}
