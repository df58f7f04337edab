/**
 * The ordered tasks of each key, in the order of their coming. Only the first of a key may be ready, delayed or in flight;
 * the others are blocked, and stand in no heap. A key without such tasks takes no memory.
 */

import type { Entry } from './entry.ts'

export class Turns {
  readonly #last = new Map<string, Entry>()
  #blocked = 0

  /** How many stand behind another. */
  get blocked(): number {
    return this.#blocked
  }

  /** Puts it behind the others of its key; whether it is blocked there. */
  join(entry: Entry): boolean {
    if (entry.turnKey === undefined) return false
    const last = this.#last.get(entry.turnKey)
    this.#last.set(entry.turnKey, entry)
    if (!last) return false
    last.next = entry
    this.#blocked++
    return true
  }

  /** Takes the first of its key out; answers who is first now, blocked until this moment. */
  leave(entry: Entry): Entry | undefined {
    if (entry.turnKey === undefined) return undefined
    const { next } = entry
    entry.next = undefined
    if (next) this.#blocked--
    else this.#last.delete(entry.turnKey)
    return next
  }
}
