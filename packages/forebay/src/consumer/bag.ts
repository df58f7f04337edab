/**
 * Items in no order, each of which knows its place, for what comes and goes with every task.
 *
 * Not a `Set`: V8's (as `Map`) leaves its old table behind whenever it makes a new one, and the old one points to the new one. Once a
 * table is old enough to have moved out of the young generation, each later one, with all that was in it, survives every short
 * collection until a full one: all ended attempts, and the process stands still for as long as it takes to carry them along.
 */

/** @typeParam Item `place` is the bag's; -1: in none. */
export class Bag<Item extends { place: number }> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  /** It must not be in a bag. */
  add(item: Item): void {
    item.place = this.#items.length
    this.#items.push(item)
  }

  /** Harmless if it is in none. */
  delete(item: Item): void {
    const { place } = item
    if (place < 0) return
    const last = this.#items.pop() as Item
    if (last !== item) {
      this.#items[place] = last
      last.place = place
    }
    item.place = -1
  }

  /** What is in it now. */
  all(): readonly Item[] {
    return [...this.#items]
  }
}
