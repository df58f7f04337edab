/**
 * Ends grants. A retry and a release write the message anew and hide it, in one request, so that the attempts and the
 * failures are exact. A dead letter is put into the other queue and then deleted: a crash between the two leaves both, and
 * never neither.
 */

import type { Clock } from '../../clock.ts'
import { asForebayError } from '../../errors.ts'
import { type BlobStore, forgetBlob } from '../blob-store.ts'
import type { HeldGrants } from '../held-grants.ts'
import type { ClaimRef, ExtendResult, Settlement, SettleResult } from '../queue-service.ts'
import { failedOnce, type TaskRecord } from '../task-letter.ts'
import { type AzureStorageQueue, LONGEST_HIDE_MS } from './azure-storage-queue.ts'
import type { Delivery } from './delivery.ts'

export interface SettlingOptions {
  readonly main: AzureStorageQueue
  readonly poison: AzureStorageQueue
  readonly grants: HeldGrants<Delivery>
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly stamp: () => string
}

const STALE = { status: 'stale' } as const

export class Settling {
  readonly #options: SettlingOptions

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    const { grants } = this.#options
    return Promise.all(
      settlements.map(async (settlement): Promise<SettleResult> => {
        const grant = grants.take(settlement.claim)
        if (!grant) return STALE
        try {
          return (await this.#end(grant.held, settlement)) ? { status: 'settled' } : STALE
        } catch (thrown) {
          // Its lease goes on.
          grants.hold(grant)
          return { status: 'failed', error: asForebayError(thrown) }
        }
      }),
    )
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    const { grants, clock, main } = this.#options
    return Promise.all(
      claims.map(async (claim): Promise<ExtendResult> => {
        const grant = grants.take(claim)
        if (!grant) return STALE
        // It can be settled meanwhile, with the token that its holder knows.
        grants.hold(grant)
        const askedAt = clock.monotonic()
        const ours = await grant.held.update(main, Math.max(1_000, leaseMs))
        if (!grants.take(claim) || !ours) return STALE
        const { token } = grant.held
        grants.hold({ ...grant, token, endsAt: askedAt + leaseMs })
        return { status: 'extended', token }
      }),
    )
  }

  #end(delivery: Delivery, settlement: Settlement): Promise<boolean> {
    const { attempts, message } = delivery
    switch (settlement.outcome) {
      case 'complete':
      case 'expire':
        return this.#forget(delivery)
      case 'retry':
        return this.#hide(delivery, settlement.delayMs, failedOnce(delivery.letter.record, settlement.failure))
      case 'release': {
        // The next grant is counted by Azure as one more than this one.
        const granted = attempts - 1 - message.received
        return this.#hide(delivery, settlement.delayMs, { ...delivery.letter.record, granted })
      }
      case 'dead':
        return this.#bury(delivery, settlement)
    }
  }

  async #forget(delivery: Delivery): Promise<boolean> {
    const { main, blobs } = this.#options
    const ours = await delivery.delete(main)
    if (ours) await forgetBlob(blobs, delivery.letter)
    return ours
  }

  #hide(delivery: Delivery, delayMs: number, record: TaskRecord): Promise<boolean> {
    const { main, clock } = this.#options
    const leftMs = Math.max(0, delayMs - LONGEST_HIDE_MS)
    const next = { ...record, readyAt: clock.now() + delayMs, ...(leftMs > 0 && { leftMs }) }
    return delivery.update(main, delayMs, { record: next, payload: delivery.letter.payload })
  }

  async #bury(delivery: Delivery, settlement: Settlement & { outcome: 'dead' }): Promise<boolean> {
    const { main, poison, clock, stamp } = this.#options
    const { record, payload } = delivery.letter
    if (!delivery.copied) {
      const death = { reason: settlement.reason, at: clock.now(), stamp: stamp() }
      const dead = { ...failedOnce(record, settlement.failure), granted: delivery.attempts, death }
      await poison.put({ record: dead, payload }, 0)
      delivery.copied = true
    }
    return delivery.delete(main)
  }
}
