/** The short way of a push: for tasks that are plain, under ids that nobody has, in a queue without bounds. See sql/push-fresh.ts. */

import { isPlain } from '../plain-task.ts'
import type { Bounds, NewTask } from '../queue-service.ts'
import { textArray, unlessEmpty } from './array-params.ts'
import { isUniqueViolation } from './postgres-errors.ts'
import { pushManyFresh, pushOneFresh } from './sql/push-fresh.ts'
import { toStored } from './stored-text.ts'

interface Wire {
  readonly schema: string
  rows(name: string, text: string, values: unknown[]): Promise<unknown[][]>
}

export class FreshPush {
  readonly #wire: Wire
  readonly #queue: number
  readonly #one: string
  readonly #many: string

  constructor(wire: Wire, queue: number) {
    this.#wire = wire
    this.#queue = queue
    this.#one = pushOneFresh(`"${wire.schema}"`)
    this.#many = pushManyFresh(`"${wire.schema}"`)
  }

  /** The rank of what it stored; undefined if it stored nothing, because it is not to be stored so. */
  async push(tasks: readonly NewTask[], { maxDepth, maxBytes }: Bounds): Promise<number | undefined> {
    if (maxDepth !== undefined || maxBytes !== undefined || !tasks.every(isFreshAndPlain)) return undefined
    try {
      const [row] = await (tasks.length === 1 ? this.#pushOne(tasks[0] as NewTask) : this.#pushMany(tasks))
      return row?.[0] as number
    } catch (thrown) {
      if (isUniqueViolation(thrown)) return undefined
      throw thrown
    }
  }

  #pushOne({ id, type, payload, key, headers }: NewTask): Promise<unknown[][]> {
    const values = [
      this.#queue,
      toStored(id),
      toStored(type),
      payload,
      key === undefined ? undefined : toStored(key),
      headers === undefined ? undefined : JSON.stringify(headers),
      Buffer.byteLength(payload),
    ]
    return this.#wire.rows('push_one_fresh', this.#one, values)
  }

  #pushMany(tasks: readonly NewTask[]): Promise<unknown[][]> {
    let bytes = 0
    for (const { payload } of tasks) bytes += Buffer.byteLength(payload)
    const values = [
      this.#queue,
      textArray(tasks.map(({ id }) => toStored(id))),
      textArray(tasks.map(({ type }) => toStored(type))),
      textArray(tasks.map(({ payload }) => payload)),
      unlessEmpty(
        tasks.map(({ key }) => (key === undefined ? undefined : toStored(key))),
        textArray,
      ),
      unlessEmpty(
        tasks.map(({ headers }) => (headers === undefined ? undefined : JSON.stringify(headers))),
        textArray,
      ),
      bytes,
      tasks.length,
    ]
    return this.#wire.rows('push_many_fresh', this.#many, values)
  }
}

function isFreshAndPlain(task: NewTask): boolean {
  return task.isFresh === true && isPlain(task)
}
