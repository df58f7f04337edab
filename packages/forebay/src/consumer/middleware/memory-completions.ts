/** A `CompletionStore` in this process's memory: the latest completions, up to a number and for a time. */

import { type Clock, systemClock } from '../../clock.ts'
import { between } from '../bounds.ts'
import type { CompletionStore } from './idempotency.ts'

export interface MemoryCompletionsOptions {
  /** At most so many; beyond it the one that was not asked for the longest gives way. Default 10,000. */
  readonly max?: number
  /** How long each is kept, ms, from its note on. Default 3,600,000. */
  readonly keepMs?: number
  /** Default: the system's. */
  readonly clock?: Clock
}

interface Note {
  readonly result: string
  readonly until: number
}

/** @throws ForebayError INVALID_OPTION. */
export function memoryCompletions(options: MemoryCompletionsOptions = {}): CompletionStore {
  const { max = 10_000, keepMs = 3_600_000, clock = systemClock } = options
  between('max', max, 1, 10_000_000)
  between('keepMs', keepMs, 1, Number.MAX_SAFE_INTEGER)
  /** A map keeps the order of insertion: the first is the one that was not asked for the longest. */
  const notes = new Map<string, Note>()
  const put = (task: string, note: Note) => {
    notes.delete(task)
    notes.set(task, note)
  }
  return {
    find(task) {
      const note = notes.get(task)
      if (!note) return undefined
      if (note.until > clock.monotonic()) {
        put(task, note)
        return note.result
      }
      notes.delete(task)
      return undefined
    },
    note(task, result) {
      put(task, { result, until: clock.monotonic() + keepMs })
      const [oldest] = notes.keys()
      if (notes.size > max && oldest !== undefined) notes.delete(oldest)
    },
  }
}
