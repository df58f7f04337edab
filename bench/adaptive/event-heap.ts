/** What happens when, in simulated time: the soonest first; of two at one time, the one that was added first. */

export interface SimulatedEvent {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class EventHeap {
  readonly #items: SimulatedEvent[] = []
  #added = 0

  add(at: number, run: () => void): void {
    const items = this.#items
    const item = { at, order: this.#added++, run }
    let index = items.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(item, items[parent] as SimulatedEvent)) break
      items[index] = items[parent] as SimulatedEvent
      index = parent
    }
    items[index] = item
  }

  get soonest(): number {
    return this.#items[0]?.at ?? Number.POSITIVE_INFINITY
  }

  take(): SimulatedEvent | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (!last || items.length === 0) return top
    let index = 0
    while (true) {
      let child = 2 * index + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1] as SimulatedEvent, items[child] as SimulatedEvent))
        child++
      if (!isBefore(items[child] as SimulatedEvent, last)) break
      items[index] = items[child] as SimulatedEvent
      index = child
    }
    items[index] = last
    return top
  }
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
