/**
 * The dead letters: the tasks of the queue `<name>-dead`, which is paused, so that nothing of it is ever delivered. One act at
 * a time in this process.
 */

import type { TaskId } from '../../task.ts'
import { forgetBlob } from '../blob-store.ts'
import { type DeadRecord, pageOf } from '../dead-pages.ts'
import { OneAtATime } from '../one-at-a-time.ts'
import type { DeadLetters, DeadPage } from '../queue-service.ts'
import { foreignLetter, letterOf, revived } from '../task-letter.ts'
import type { ListedTask } from './cloud-queue.ts'
import { redrivenOf } from './names.ts'
import type { Store } from './store.ts'

const MOST_LISTED = 20_000

interface DeadTask extends DeadRecord {
  readonly name: string
}

export class DeadQueue implements DeadLetters {
  readonly #store: Store
  readonly #turns = new OneAtATime()

  constructor(store: Store) {
    this.#store = store
  }

  list(page: { readonly limit: number; readonly after?: string }): Promise<DeadPage> {
    return this.#turns.run(async () => pageOf(await this.#all(), page))
  }

  redrive(which: readonly TaskId[] | 'all'): Promise<number> {
    const { clock } = this.#store.options
    return this.#take(which, async ({ name, record, payload }) => {
      await this.#store.put({ record: revived(record, clock.now()), payload }, 0, redrivenOf(name))
    })
  }

  drop(which: readonly TaskId[] | 'all'): Promise<number> {
    return this.#take(which, (letter) => forgetBlob(this.#store.options.blobs, letter))
  }

  /** Takes out those that are named; rejects with the first error, and what is not done is there still. */
  #take(which: readonly TaskId[] | 'all', act: (letter: DeadTask) => Promise<void>): Promise<number> {
    const ids = which === 'all' ? undefined : new Set(which)
    return this.#turns.run(async () => {
      const named = (await this.#all()).filter(({ record }) => !ids || ids.has(record.id))
      const taken = await Promise.allSettled(
        named.map(async (letter) => {
          await act(letter)
          return this.#store.options.dead.delete(letter.name)
        }),
      )
      const failed = taken.find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
      return taken.filter((one) => one.status === 'fulfilled' && one.value).length
    })
  }

  async #all(): Promise<DeadTask[]> {
    const { tasks } = await this.#store.options.dead.list(MOST_LISTED, true)
    return tasks.map(deadTask)
  }
}

function deadTask({ name, body, createdAt }: ListedTask): DeadTask {
  const letter = letterOf(body) ?? foreignLetter(name, body, createdAt)
  // Without a death of its own somebody else has put it there.
  const stamp = `${String(createdAt).padStart(15, '0')}-${name}`
  return { ...letter, name, death: letter.record.death ?? { reason: 'unreadable', at: createdAt, stamp } }
}
