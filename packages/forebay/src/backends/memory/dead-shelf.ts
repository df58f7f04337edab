/** The dead letters of a `MemoryStore`, oldest first. */

import type { DeadReason, TaskId } from '../../task.ts'
import type { DeadPage } from '../queue-service.ts'
import type { Death, Entry } from './entry.ts'

type DeadEntry = Entry & { death: Death }

export class DeadShelf {
  /** In the order of their deaths. */
  #entries: DeadEntry[] = []
  #deaths = 0

  get size(): number {
    return this.#entries.length
  }

  add(entry: Entry, reason: DeadReason, at: number): void {
    entry.state = 'dead'
    this.#entries.push(Object.assign(entry, { death: { reason, at, order: ++this.#deaths } }))
  }

  list(page: { readonly limit: number; readonly after?: string }): DeadPage {
    const start = this.#firstAfter(Number(page.after ?? 0))
    const items = this.#entries.slice(start, start + page.limit)
    const last = items.at(-1)
    return {
      items: items.map(({ task, death }) => ({ task, reason: death.reason, deadAt: death.at })),
      next: last && start + items.length < this.#entries.length ? String(last.death.order) : undefined,
    }
  }

  /** Takes them off the shelf. */
  take(which: readonly TaskId[] | 'all'): Entry[] {
    const ids = which === 'all' ? undefined : new Set(which)
    const taken: Entry[] = []
    const left: DeadEntry[] = []
    for (const entry of this.#entries) {
      if (!ids || ids.has(entry.task.id)) taken.push(entry)
      else left.push(entry)
    }
    this.#entries = left
    for (const entry of taken) entry.death = undefined
    return taken
  }

  #firstAfter(order: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle] as DeadEntry).death.order <= order) low = middle + 1
      else high = middle
    }
    return low
  }
}
