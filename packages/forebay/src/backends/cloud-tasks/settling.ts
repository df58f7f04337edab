/**
 * Ends grants. What is done is answered with 200. A retry and a release are stored as a new task with its time, its attempts
 * and its failures, and then answered with 200: a 503 would make Cloud Tasks slow down the whole queue, and the task would
 * come at a time of its own choice. A crash between the two leaves both, and never neither; and as the new task is named
 * after the old one, there is never a second of it.
 */

import { asForebayError } from '../../errors.ts'
import type { FailedAttempt } from '../../task.ts'
import { forgetBlob } from '../blob-store.ts'
import type { ClaimRef, ExtendResult, Settlement, SettleResult } from '../queue-service.ts'
import { failedOnce } from '../task-letter.ts'
import type { Delivery } from './delivery.ts'
import { successorOf } from './names.ts'
import type { Store } from './store.ts'

const STALE = { status: 'stale' } as const

export class Settling {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    const { inbox } = this.#store.options
    return Promise.all(
      settlements.map(async (settlement): Promise<SettleResult> => {
        const delivery = inbox.take(settlement.claim)
        if (!delivery) return STALE
        try {
          const isCopied = await this.#copy(delivery, settlement)
          const isAnswered = await delivery.answer(200)
          inbox.done(delivery)
          // Where a copy goes on, the old one that is delivered once more is a duplicate.
          if (!isAnswered && !isCopied) return STALE
          if (!isCopied) await forgetBlob(this.#store.options.blobs, delivery.letter)
          return { status: 'settled' }
        } catch (thrown) {
          // Its lease goes on.
          inbox.giveBack(delivery)
          return { status: 'failed', error: asForebayError(thrown) }
        }
      }),
    )
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): ExtendResult[] {
    return claims.map((claim) => this.#store.options.inbox.extend(claim, leaseMs))
  }

  /** Stores what is left of the task; answers whether there was anything. */
  async #copy({ name, letter, attempts }: Delivery, settlement: Settlement): Promise<boolean> {
    const { record, payload } = letter
    const next = (granted: number, failure?: FailedAttempt) => ({
      record: { ...failedOnce(record, failure), granted },
      payload,
    })
    switch (settlement.outcome) {
      case 'complete':
      case 'expire':
        return false
      case 'retry':
        await this.#store.put(next(attempts, settlement.failure), settlement.delayMs, successorOf(name))
        return true
      case 'release':
        await this.#store.put(next(attempts - 1), settlement.delayMs, successorOf(name))
        return true
      case 'dead':
        await this.#store.bury(name, next(attempts, settlement.failure), settlement.reason)
        return true
    }
  }
}
