/** Reads what was received: tasks that are due become deliveries, delays that are not over go on, what is not ours is buried. */

import type { Clock } from '../../clock.ts'
import type { RandomSource } from '../../random.ts'
import { type BlobStore, checkOut } from '../blob-store.ts'
import type { HeldGrants } from '../held-grants.ts'
import type { Claim } from '../queue-service.ts'
import { foreignLetter, isExpired, type Letter, letterOf, revived, storedTask } from '../task-letter.ts'
import { type Delivery, LONGEST_HOLD_MS } from './delivery.ts'
import { outgoing, secondsOf } from './message.ts'
import type { PutBack } from './put-back.ts'
import type { SqsMessage, SqsQueue } from './sqs-queue.ts'

export interface ReadingOptions {
  readonly main: SqsQueue
  readonly dead: SqsQueue
  readonly grants: HeldGrants<Delivery>
  readonly putBack: PutBack
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly random: RandomSource
  readonly stamp: () => string
}

/** A lease of which no more than this has passed is taken for new: whoever holds it extends it long before its end. */
const FRESH_SHARE = 0.1

export class Reading {
  readonly #options: ReadingOptions
  #lastWait: { readonly waitedMs: number; readonly at: number } | undefined

  constructor(options: ReadingOptions) {
    this.#options = options
  }

  /** How long the last one had been waiting, if one was granted within `withinMs`. */
  lastWaitedMs(withinMs: number): number | undefined {
    const last = this.#lastWait
    return last && this.#options.clock.monotonic() - last.at <= withinMs ? last.waitedMs : undefined
  }

  async read(messages: readonly SqsMessage[], hiddenMs: number): Promise<Delivery[]> {
    const arrivedAt = this.#options.clock.monotonic()
    const read = await Promise.all(
      messages.map(async (message): Promise<Delivery | undefined> => {
        const letter = letterOf(message.body)
        if (!letter) return this.#bury(message, foreignLetter(message.messageId, message.body, message.sentAt))
        const sights = letter.record.leftMs === undefined ? 0 : await this.#delay(message, letter, letter.record.leftMs)
        if (sights === undefined) return undefined
        const { record, payload } = letter
        const attempts = message.received - sights + (record.death ? 0 : (record.granted ?? 0))
        // SQS has moved it out of the dead letters as it was.
        const alive = record.death ? { record: revived(record, message.sentAt), payload } : letter
        return { message, letter: alive, attempts, arrivedAt, visibleAt: arrivedAt + hiddenMs }
      }),
    )
    return read.filter((delivery) => delivery !== undefined)
  }

  async grant(deliveries: readonly Delivery[], leaseMs: number): Promise<Claim[]> {
    const claims = await Promise.all(deliveries.map((delivery) => this.#grantOne(delivery, leaseMs)))
    return claims.filter((claim) => claim !== undefined)
  }

  async #grantOne(delivery: Delivery, leaseMs: number): Promise<Claim | undefined> {
    const { main, grants, putBack, blobs, clock } = this.#options
    const { message, letter, attempts } = delivery
    let endsAt = delivery.arrivedAt + leaseMs
    const now = clock.monotonic()
    if (endsAt > delivery.visibleAt || now > delivery.arrivedAt + FRESH_SHARE * leaseMs) {
      if (await main.hide(message.receipt, secondsOf(leaseMs))) return undefined
      endsAt = now + leaseMs
    }
    const payload = await checkOut(blobs, letter)
    if (payload === undefined) return this.#bury(message, letter)
    const { record } = letter
    const grant = { id: record.id, token: message.receipt, held: delivery, endsAt }
    grants.hold(grant)
    const wall = clock.now()
    const waitedMs = putBack.waitedMs(message.messageId) ?? Math.max(0, wall - (record.readyAt ?? record.createdAt))
    this.#lastWait = { waitedMs, at: clock.monotonic() }
    const task = storedTask({ record, payload }, attempts)
    return { id: record.id, token: grant.token, task, waitedMs, expired: isExpired(record, wall) }
  }

  /** Its delay is longer than SQS's: it goes on. Answers how often it was seen too early; undefined if this was too early. */
  async #delay(message: SqsMessage, letter: Letter, leftMs: number): Promise<number | undefined> {
    const { main, clock, stamp } = this.#options
    if (!main.identity.fifo) {
      // A copy is delayed by SQS again, and counts as delayed; if it can't be sent, this one comes again.
      const failed = await main.send(outgoing(letter, { ...main.identity, delayMs: leftMs, stamp: stamp() }))
      if (!failed) await main.delete(message.receipt)
      return undefined
    }
    // The group waits for it, as it should: it is hidden where it is.
    const due = message.sentAt + leftMs
    const restMs = due - clock.now()
    if (restMs > 0) {
      await main.hide(message.receipt, secondsOf(Math.min(restMs, LONGEST_HOLD_MS)))
      return undefined
    }
    const sights = Math.ceil((due - message.firstReceivedAt) / LONGEST_HOLD_MS)
    return Math.min(message.received - 1, Math.max(0, sights))
  }

  async #bury(message: SqsMessage, { record, payload }: Letter): Promise<undefined> {
    const { main, dead, clock, stamp } = this.#options
    const name = stamp()
    const death = { reason: 'unreadable', at: clock.now(), stamp: name } as const
    const manner = { ...dead.identity, delayMs: 0, stamp: name }
    const letter = { record: { ...record, granted: message.received + (record.granted ?? 0), death }, payload }
    if (!(await dead.send(outgoing(letter, manner)))) await main.delete(message.receipt)
  }
}
