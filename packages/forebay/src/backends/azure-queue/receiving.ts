/** Receives for a claim: tasks that are due are granted, delays that are not over go on, what is not ours is buried. */

import type { Clock } from '../../clock.ts'
import { type BlobStore, checkOut } from '../blob-store.ts'
import type { HeldGrants } from '../held-grants.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import { foreignLetter, isExpired, type Letter, letterOf, storedTask } from '../task-letter.ts'
import { type AzureMessage, type AzureStorageQueue, LONGEST_HIDE_MS, RECEIVED_AT_ONCE } from './azure-storage-queue.ts'
import { Delivery } from './delivery.ts'

export interface ReceivingOptions {
  readonly main: AzureStorageQueue
  readonly poison: AzureStorageQueue
  readonly grants: HeldGrants<Delivery>
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly stamp: () => string
}

/** So many requests at once, for a claim that wants more than one of them gives. */
const BURST = 4

export class Receiving {
  readonly #options: ReceivingOptions

  constructor(options: ReceivingOptions) {
    this.#options = options
  }

  async claim({ max, leaseMs }: ClaimRequest): Promise<Claim[]> {
    const claims: Claim[] = []
    for (let left = max; left > 0; left = max - claims.length) {
      const requests = Math.min(BURST, Math.ceil(left / RECEIVED_AT_ONCE))
      const asks = Array.from({ length: requests }, (_, at) => Math.min(RECEIVED_AT_ONCE, left - at * RECEIVED_AT_ONCE))
      const answers = await Promise.allSettled(asks.map((count) => this.#ask(count, leaseMs)))
      const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      claims.push(...found.flatMap(({ granted }) => granted))
      const failed = answers.find((answer) => answer.status === 'rejected')
      // What was granted is not lost for the failure of another request.
      if (failed && claims.length === 0) throw failed.reason
      if (failed || found.some(({ full }) => !full)) break
    }
    return claims
  }

  async #ask(count: number, leaseMs: number): Promise<{ readonly granted: Claim[]; readonly full: boolean }> {
    const { main, clock } = this.#options
    const askedAt = clock.monotonic()
    const messages = await main.receive(count, leaseMs)
    // By then Azure's own lease, which began later, is not over.
    const granted = await Promise.all(messages.map((message) => this.#grant(message, askedAt + leaseMs)))
    return { granted: granted.filter((claim) => claim !== undefined), full: messages.length === count }
  }

  /** What fails here stays hidden until its lease is over, and comes again. */
  async #grant(message: AzureMessage, endsAt: number): Promise<Claim | undefined> {
    const { grants, blobs, clock } = this.#options
    const letter = letterOf(message.text)
    if (!letter) return this.#bury(message, foreignLetter(message.messageId, message.text, message.insertedAt))
    if (letter.record.leftMs !== undefined) return this.#delay(message, letter, letter.record.leftMs)
    const payload = await checkOut(blobs, letter)
    if (payload === undefined) return this.#bury(message, letter)
    const { record } = letter
    const attempts = message.received + (record.granted ?? 0)
    const delivery = new Delivery(message, letter, attempts)
    const { token } = delivery
    grants.hold({ id: record.id, token, held: delivery, endsAt })
    const now = clock.now()
    const waitedMs = Math.max(0, now - (record.readyAt ?? record.createdAt))
    const task = storedTask({ record, payload }, attempts)
    return { id: record.id, token, task, waitedMs, expired: isExpired(record, now) }
  }

  /** A delay of more than seven days goes on; having been looked at is no attempt. */
  async #delay(message: AzureMessage, letter: Letter, leftMs: number): Promise<undefined> {
    const { leftMs: _, granted = 0, ...record } = letter.record
    const later = Math.max(0, leftMs - LONGEST_HIDE_MS)
    const next = { ...record, granted: granted - 1, ...(later > 0 && { leftMs: later }) }
    const { messageId, receipt } = message
    await this.#options.main.update(messageId, receipt, leftMs, { record: next, payload: letter.payload })
  }

  async #bury(message: AzureMessage, { record, payload }: Letter): Promise<undefined> {
    const { main, poison, clock, stamp } = this.#options
    const death = { reason: 'unreadable', at: clock.now(), stamp: stamp() } as const
    await poison.put({ record: { ...record, granted: message.received, death }, payload }, 0)
    await main.delete(message.messageId, message.receipt)
  }
}
