/** Reads what is delivered: what may be granted is held, a delay that is not over goes on, what is not ours is buried. */

import { checkOut } from '../blob-store.ts'
import { foreignLetter, letterOf } from '../task-letter.ts'
import { type Arrival, Delivery, type OpenRequest } from './delivery.ts'
import type { Keeper } from './inbox.ts'
import { successorOf } from './names.ts'
import type { Store } from './store.ts'

export class Reception implements Keeper {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async receive(arrival: Arrival, request: OpenRequest): Promise<Delivery | undefined> {
    const { name, body, unanswered } = arrival
    const { blobs, clock } = this.#store.options
    const letter = letterOf(body)
    if (letter?.record.leftMs !== undefined) {
      const { leftMs, granted = 0 } = letter.record
      const record = { ...letter.record, granted: granted + unanswered }
      await this.#store.put({ record, payload: letter.payload }, leftMs, successorOf(name))
      await request.answer(200)
      return undefined
    }
    const payload = letter && (await checkOut(blobs, letter))
    if (!letter || payload === undefined) {
      const { record, payload: text } = letter ?? foreignLetter(name, body, clock.now())
      const granted = (record.granted ?? 0) + unanswered + 1
      await this.#store.bury(name, { record: { ...record, granted }, payload: text }, 'unreadable')
      await request.answer(200)
      return undefined
    }
    return new Delivery(arrival, letter, payload, [request])
  }

  async handBack({ name, letter, attempts }: Delivery): Promise<void> {
    const record = { ...letter.record, granted: attempts }
    await this.#store.put({ record, payload: letter.payload }, 0, successorOf(name))
  }
}
