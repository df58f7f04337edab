/**
 * Reads what is delivered: what may be granted is held, a delay that is not over goes on, what is not ours is buried.
 *
 * What comes for another time, because a delivery before had no answer, may have been granted then, by a process that died
 * with it; or nobody was there for an hour. So however many deliveries those were, they count as one attempt, which is
 * written into a copy: a task that kills its process is used up, and one that could not be delivered is not.
 */

import { checkOut } from '../blob-store.ts'
import { foreignLetter, type Letter, letterOf } from '../task-letter.ts'
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
    const granted = letter?.record.granted ?? 0
    if (letter && (letter.record.leftMs !== undefined || unanswered > 0)) {
      const { leftMs } = letter.record
      await this.#goOn(name, letter, leftMs === undefined ? granted + 1 : granted, leftMs ?? 0)
      await request.answer(200)
      return undefined
    }
    const payload = letter && (await checkOut(blobs, letter))
    if (!letter || payload === undefined) {
      const { record, payload: text } = letter ?? foreignLetter(name, body, clock.now())
      await this.#store.bury(name, { record: { ...record, granted: granted + 1 }, payload: text }, 'unreadable')
      await request.answer(200)
      return undefined
    }
    return new Delivery(arrival, letter, payload, [request])
  }

  handBack({ name, letter, attempts }: Delivery): Promise<void> {
    return this.#goOn(name, letter, attempts, 0)
  }

  async #goOn(name: string, { record, payload }: Letter, granted: number, delayMs: number): Promise<void> {
    await this.#store.put({ record: { ...record, granted }, payload }, delayMs, successorOf(name))
  }
}
