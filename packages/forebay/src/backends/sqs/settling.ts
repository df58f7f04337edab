/**
 * Ends grants. A retry hides the message until it is due: one request for ten of them. What must be written anew (a release,
 * which takes the attempt back; a dead letter; a delay beyond 12 hours) is sent as a copy and then deleted: a crash between
 * the two leaves both, and never neither.
 */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { type BlobStore, forgetBlob } from '../blob-store.ts'
import type { HeldGrant, HeldGrants } from '../held-grants.ts'
import type { ClaimRef, ExtendResult, Settlement, SettleResult } from '../queue-service.ts'
import { failedOnce, type TaskRecord } from '../task-letter.ts'
import { type Delivery, LONGEST_HOLD_MS } from './delivery.ts'
import { outgoing, secondsOf } from './message.ts'
import type { PutBack } from './put-back.ts'
import type { Changed, Done, SqsQueue } from './sqs-queue.ts'

export interface SettlingOptions {
  readonly main: SqsQueue
  readonly dead: SqsQueue
  readonly grants: HeldGrants<Delivery>
  readonly putBack: PutBack
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly stamp: () => string
}

type Grant = HeldGrant<Delivery>

/** SQS counts from when it gave the message out, and refuses what goes beyond by a second. */
const SPARE_MS = 60_000

const STALE: SettleResult = { status: 'stale' }
const SETTLED: SettleResult = { status: 'settled' }

export class Settling {
  readonly #options: SettlingOptions
  /** Whose copy is stored already, though the message could not be deleted. */
  readonly #copied = new WeakSet<Delivery>()

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    const { grants } = this.#options
    return Promise.all(
      settlements.map(async (settlement) => {
        const grant = grants.take(settlement.claim)
        if (!grant) return STALE
        const failed = await this.#end(grant, settlement)
        if (failed === undefined) return SETTLED
        if (failed === 'lapsed') return STALE
        // Its lease goes on.
        grants.hold(grant)
        return { status: 'failed', error: failed } satisfies SettleResult
      }),
    )
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    const { grants, clock, main } = this.#options
    return Promise.all(
      claims.map(async (claim): Promise<ExtendResult> => {
        const grant = grants.take(claim)
        if (!grant) return { status: 'stale' }
        const endsAt = clock.monotonic() + leaseMs
        if (endsAt > grant.held.arrivedAt + LONGEST_HOLD_MS) return { status: 'stale' }
        // It can be settled meanwhile.
        grants.hold(grant)
        const failed = await main.hide(grant.held.message.receipt, secondsOf(leaseMs))
        if (failed instanceof ForebayError) throw failed
        const still = grants.take(claim)
        if (failed === 'lapsed' || !still) return { status: 'stale' }
        grants.hold({ ...still, endsAt })
        return { status: 'extended', token: claim.token }
      }),
    )
  }

  /** Gives back what was received and never granted. */
  async giveBack(deliveries: readonly Delivery[]): Promise<void> {
    // If it fails, SQS gives them out again by itself.
    await Promise.all(deliveries.map((delivery) => this.#release(delivery, 0)))
  }

  #end({ held: delivery }: Grant, settlement: Settlement): Promise<Changed> {
    switch (settlement.outcome) {
      case 'complete':
      case 'expire':
        return this.#forget(delivery)
      case 'retry':
        return this.#retry(delivery, settlement.delayMs)
      case 'release':
        return this.#release(delivery, settlement.delayMs)
      case 'dead':
        return this.#bury(delivery, settlement)
    }
  }

  async #forget(delivery: Delivery): Promise<Done> {
    const { main, blobs } = this.#options
    const failed = await main.delete(delivery.message.receipt)
    if (!failed) await forgetBlob(blobs, delivery.letter)
    return failed
  }

  #retry(delivery: Delivery, delayMs: number): Promise<Changed> {
    const { main, clock } = this.#options
    const leftMs = Math.max(0, delivery.arrivedAt + LONGEST_HOLD_MS - SPARE_MS - clock.monotonic())
    if (delayMs <= leftMs || main.identity.fifo) return this.#hide(delivery, Math.min(delayMs, leftMs))
    return this.#copy(delivery, { granted: delivery.attempts }, delayMs)
  }

  #release(delivery: Delivery, delayMs: number): Promise<Changed> {
    const { main } = this.#options
    // A copy would go to the end of its group.
    if (main.identity.fifo) return this.#retry(delivery, delayMs)
    return this.#copy(delivery, { granted: delivery.attempts - 1 }, delayMs)
  }

  async #hide({ message }: Delivery, delayMs: number): Promise<Changed> {
    const { main, putBack } = this.#options
    const failed = await main.hide(message.receipt, secondsOf(delayMs))
    if (!failed) putBack.note(message.messageId, delayMs)
    return failed
  }

  #copy(delivery: Delivery, changes: Partial<TaskRecord>, delayMs: number): Promise<Done> {
    const { main, clock, stamp } = this.#options
    const { record, payload } = delivery.letter
    const letter = { record: { ...record, ...changes, readyAt: clock.now() + delayMs }, payload }
    return this.#replace(delivery, () => main.send(outgoing(letter, { ...main.identity, delayMs, stamp: stamp() })))
  }

  #bury(delivery: Delivery, settlement: Settlement & { outcome: 'dead' }): Promise<Done> {
    const { dead, clock, stamp } = this.#options
    const { record, payload } = delivery.letter
    const name = stamp()
    const death = { reason: settlement.reason, at: clock.now(), stamp: name }
    const letter = { record: { ...failedOnce(record, settlement.failure), granted: delivery.attempts, death }, payload }
    return this.#replace(delivery, () => dead.send(outgoing(letter, { ...dead.identity, delayMs: 0, stamp: name })))
  }

  async #replace(delivery: Delivery, send: () => Promise<Done>): Promise<Done> {
    if (!this.#copied.has(delivery)) {
      const failed = await send()
      if (failed) return failed
      this.#copied.add(delivery)
    }
    return this.#options.main.delete(delivery.message.receipt)
  }
}
