/** A map whose entries end at a time of their own; ended ones are let go of whenever it is used. */

import { Heap } from './heap.ts'

interface Entry<Value> {
  readonly key: string
  readonly value: Value
  readonly until: number
  slot: number
}

export class ExpiringMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>()
  readonly #byEnd = new Heap<'slot', Entry<Value>>('slot', (a, b) => a.until < b.until)

  get(key: string, now: number): Value | undefined {
    this.#sweep(now)
    return this.#entries.get(key)?.value
  }

  set(key: string, value: Value, until: number, now: number): void {
    this.#sweep(now)
    const old = this.#entries.get(key)
    if (old) this.#byEnd.remove(old)
    const entry = { key, value, until, slot: -1 }
    this.#entries.set(key, entry)
    this.#byEnd.push(entry)
  }

  #sweep(now: number): void {
    for (let first = this.#byEnd.peek(); first && first.until <= now; first = this.#byEnd.peek()) {
      this.#byEnd.remove(first)
      this.#entries.delete(first.key)
    }
  }
}
