/** The dead letters: versions in the stream of the tasks, each with a note, and the notes in the order of their deaths. */

import type { TaskId } from '../../task.ts'
import type { DeadLetter, DeadPage } from '../queue-service.ts'
import type { DeadNote } from './dead-notes.ts'
import type { Store } from './store.ts'
import { storedTaskOf, successorOf, type Version } from './task-record.ts'
import { inWindows } from './windows.ts'

/** So many at once when all are taken. */
const AT_ONCE = 200

type Dead = DeadNote & { readonly letter: Version }

export class StoredDeadLetters {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async list(page: { readonly limit: number; readonly after?: string }): Promise<DeadPage> {
    // One more than asked for tells whether there is a next page.
    const found = await this.#from(Number(page.after ?? 0) + 1, page.limit + 1)
    const shown = found.slice(0, page.limit)
    return { items: shown.map(letterOf), next: found.length > shown.length ? String(shown.at(-1)?.note) : undefined }
  }

  redrive(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#take(which, async (version) => {
      const revived = successorOf(version, { kind: 'ready', attempts: 0, reborn: true })
      if ((await this.#store.supersede(version, revived)) === undefined) return false
      await this.#store.remove(version.sequence)
      return true
    })
  }

  drop(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#take(which, async (version) => {
      await this.#store.removePrevious(version)
      return this.#store.remove(version.sequence)
    })
  }

  /** @param take Whether it was there to be taken. */
  async #take(which: readonly TaskId[] | 'all', take: (version: Version) => Promise<boolean>): Promise<number> {
    let count = 0
    if (which === 'all') {
      // Those that die meanwhile are left.
      const last = await this.#store.deadNotes.last()
      for (let next = 1; ; ) {
        const found = (await this.#from(next, AT_ONCE)).filter(({ note }) => note <= last)
        await inWindows(found, sizeOf, async ({ letter, note }) => {
          if (await take(letter)) count++
          await this.#store.deadNotes.remove(note)
        })
        if (found.length < AT_ONCE) return count
        next = (found.at(-1) as Dead).note + 1
      }
    }
    await inWindows(
      [...new Set(which)],
      () => 1,
      async (id) => {
        const version = await this.#store.lastVersion(id)
        if (version?.record.kind !== 'dead') return
        if (await take(version)) count++
        await this.#store.deadNotes.removeOf(version.sequence)
      },
    )
    return count
  }

  /** Up to so many dead letters whose notes have this sequence or a later one. */
  async #from(note: number, limit: number): Promise<Dead[]> {
    const found: Dead[] = []
    for (let next = note; found.length < limit; ) {
      const notes = await this.#notesFrom(next, limit - found.length)
      if (notes.length === 0) break
      next = (notes.at(-1) as DeadNote).note + 1
      const letters = new Map<DeadNote, Version>()
      await inWindows(
        notes,
        () => 1,
        async (one) => {
          const version = await this.#store.versionAt(one.version)
          if (version?.record.kind === 'dead') letters.set(one, version)
          // Whoever took the letter did not come to its note.
          else await this.#store.deadNotes.remove(one.note)
        },
      )
      for (const one of notes) {
        const letter = letters.get(one)
        if (letter) found.push({ ...one, letter })
      }
    }
    return found
  }

  async #notesFrom(sequence: number, limit: number): Promise<DeadNote[]> {
    const notes: DeadNote[] = []
    for (let next = sequence; notes.length < limit; ) {
      // Over what has been taken out, to the next one; those that follow are asked for together.
      const first = await this.#store.deadNotes.next(next)
      if (!first) break
      const count = Math.min(limit - notes.length, AT_ONCE) - 1
      const following = Array.from({ length: count }, (_, index) => this.#store.deadNotes.at(first.note + 1 + index))
      notes.push(first, ...(await Promise.all(following)).filter((note) => note !== undefined))
      next = first.note + 1 + count
    }
    return notes
  }
}

function letterOf({ letter }: Dead): DeadLetter {
  const { record, storedAt } = letter
  const deadAt = Math.ceil(storedAt)
  return { task: storedTaskOf(letter, record.attempts), reason: record.reason ?? 'refused', deadAt }
}

function sizeOf({ letter }: Dead): number {
  return letter.record.payload.length
}
