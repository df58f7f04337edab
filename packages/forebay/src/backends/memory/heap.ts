/** A binary heap from which any item can be removed, because each item knows its place in it. */

/** @typeParam Slot The property in which an item keeps its place in this heap; -1 when it is in none. */
export class Heap<Slot extends string, Item extends Record<Slot, number>> {
  readonly #items: Item[] = []
  readonly #slot: Slot
  readonly #before: (a: Item, b: Item) => boolean

  constructor(slot: Slot, before: (a: Item, b: Item) => boolean) {
    this.#slot = slot
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): Item | undefined {
    return this.#items[0]
  }

  /** Up to so many of its items, evenly spread over it and in no order. */
  sample(most: number): Item[] {
    const { length } = this.#items
    if (length <= most) return [...this.#items]
    return Array.from({ length: most }, (_, n) => this.#items[Math.floor((n * length) / most)] as Item)
  }

  push(item: Item): void {
    this.#items.push(item)
    this.#up(item, this.#items.length - 1)
  }

  pop(): Item | undefined {
    const first = this.#items[0]
    if (first) this.remove(first)
    return first
  }

  remove(item: Item): void {
    const at = item[this.#slot]
    this.#put(item, -1)
    const last = this.#items.pop() as Item
    if (last === item) return
    this.#settle(last, at)
  }

  /** What the order goes by has changed for this one. */
  moved(item: Item): void {
    if (this.#items.length > 1) this.#settle(item, item[this.#slot])
  }

  #settle(item: Item, at: number): void {
    const above = this.#items[(at - 1) >> 1]
    if (at > 0 && above && this.#before(item, above)) this.#up(item, at)
    else this.#down(item, at)
  }

  #up(item: Item, from: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = this.#items[parent] as Item
      if (!this.#before(item, above)) break
      this.#place(above, at)
      at = parent
    }
    this.#place(item, at)
  }

  #down(item: Item, from: number): void {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#items.length) break
      const right = this.#items[child + 1]
      if (right && this.#before(right, this.#items[child] as Item)) child++
      const below = this.#items[child] as Item
      if (!this.#before(below, item)) break
      this.#place(below, at)
      at = child
    }
    this.#place(item, at)
  }

  #place(item: Item, at: number): void {
    this.#items[at] = item
    this.#put(item, at)
  }

  #put(item: Record<Slot, number>, at: number): void {
    item[this.#slot] = at as (typeof item)[Slot]
  }
}
