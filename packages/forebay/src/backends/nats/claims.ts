/**
 * The claims of this process. Each has a call for messages waiting at the consumer of the tasks, which the server answers
 * with what there is as soon as there is something. Every message that comes is granted to a claim that waits, or given back
 * at once.
 */

import { type Clock, sleep } from '../../clock.ts'
import { ClaimLine, type Waiter } from '../claim-line.ts'
import type { Claim, ClaimRequest } from '../queue-service.ts'
import type { Delivery } from './jetstream.ts'
import type { Leases } from './leases.ts'
import { callForMessages, type EndedCall } from './message-call.ts'
import { fromNats, isGone } from './nats-errors.ts'
import type { Store } from './store.ts'
import { decodeRecord, type TaskRecord } from './task-record.ts'
import { WaitingClaim } from './waiting-claim.ts'

/** A call is renewed after this, so that one that the server forgot is not missed for longer. */
const LONGEST_CALL_MS = 5_000

/** Long enough for the server to tell its consumer of what was pushed just before. */
const SHORTEST_CALL_MS = 15

/** The server had no place for the call, or others wait for what there is. */
const CALL_AGAIN_MS = 10

/** A claim that does not wait comes again so often: others may have been given what there was, and may have left some. */
const MOST_REFUSALS = 20

/** A delivery, and when the call was made that it answers. */
type Called = Delivery & { readonly calledAt: number }

export class Claims {
  readonly #store: Store
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #restore: () => Promise<void>
  readonly #line: ClaimLine
  readonly #waiting = new Map<Waiter, WaitingClaim>()
  /** Messages that are being granted or given back. */
  readonly #handling = new Set<Promise<void>>()
  #closed = false

  /** @param restore Makes streams and consumers that are gone; rejects if that can't be hidden. */
  constructor(store: Store, leases: Leases, clock: Clock, restore: () => Promise<void>) {
    this.#store = store
    this.#leases = leases
    this.#clock = clock
    this.#restore = restore
    this.#line = new ClaimLine(clock)
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#line.join(request, this, (waiter) => void this.#serve(waiter))
  }

  /** Ends the waits; resolves when what had come for them is granted. */
  async close(): Promise<void> {
    this.#closed = true
    this.#line.end(this)
    await Promise.all(this.#handling)
  }

  async #serve(waiter: Waiter): Promise<void> {
    // Also a claim that does not wait is answered only after it has asked.
    waiter.begin()
    const until = this.#clock.monotonic() + waiter.request.waitMs
    const waiting = new WaitingClaim(waiter, () => this.#isInLine(waiter))
    this.#waiting.set(waiter, waiting)
    try {
      await Promise.all([this.#leases.putBackOver(), ...this.#handling])
      await this.#callUntilAnswered(waiting, until)
    } catch (thrown) {
      waiting.fail(fromNats(thrown))
    } finally {
      this.#waiting.delete(waiter)
    }
  }

  async #callUntilAnswered(waiting: WaitingClaim, until: number): Promise<void> {
    for (let restored = 0, refusals = 0; !waiting.isAnswered; ) {
      // Who has some does not wait for more.
      const leftMs = waiting.hasSome ? 0 : until - this.#clock.monotonic()
      if (leftMs > 0) waiting.park()
      if (waiting.isAnswered) return
      try {
        waiting.isShort = false
        const { brought, why } = await this.#call(waiting, Math.min(leftMs, LONGEST_CALL_MS))
        // The server is silent about calls to a consumer that is gone, too.
        if (why === 'silent' && brought === 0) await this.#store.checkReady()
        // There may be more.
        const isMore = why === 'silent' || why === 'early' || (why === 'full' && waiting.isShort && waiting.hasSome)
        if (isMore && waiting.hasRoom) continue
        waiting.callEnded()
        if (waiting.isAnswered) return
        const isOver = brought === 0 && leftMs <= 0
        if (why === 'refused' && !(isOver && ++refusals > MOST_REFUSALS)) await sleep(this.#clock, CALL_AGAIN_MS)
        else if (isOver) waiting.waiter.finish([])
      } catch (thrown) {
        if (!isGone(thrown) || restored++ > 0) throw thrown
        await this.#restore()
      }
    }
  }

  /** Resolves when the call is over and all that it brought is granted. */
  async #call(waiting: WaitingClaim, waitMs: number): Promise<EndedCall> {
    const taking: Promise<void>[] = []
    const calledAt = this.#clock.monotonic()
    try {
      return await callForMessages({
        batch: waiting.room,
        waitMs: Math.max(SHORTEST_CALL_MS, waitMs),
        clock: this.#clock,
        pull: (batch, span, listener) => this.#store.pullReady(batch, span, listener),
        onDelivery: (delivery) => taking.push(this.#handle({ ...delivery, calledAt }, waiting)),
      })
    } finally {
      await Promise.all(taking)
    }
  }

  /** Grants what came to the claim that called, or to the first that has room; else gives it back. */
  #handle(delivery: Called, caller: WaitingClaim): Promise<void> {
    const handling = this.#handOut(delivery, caller).finally(() => this.#handling.delete(handling))
    this.#handling.add(handling)
    return handling
  }

  async #handOut(delivery: Called, caller: WaitingClaim): Promise<void> {
    if (caller.hasRoom) {
      caller.delivering()
      return caller.take(this.#grant(delivery, caller))
    }
    const other = [...this.#line].map((waiter) => this.#waiting.get(waiter)).find((waiting) => waiting?.hasRoom)
    if (other && !this.#closed) return other.take(this.#grant(delivery, other))
    // If it does not get there, the consumer delivers it again in its time.
    await this.#store.giveBack(delivery.ackSubject).catch(() => undefined)
  }

  async #grant(delivery: Called, waiting: WaitingClaim): Promise<Claim | undefined> {
    const { ackSubject, calledAt, sequence, storedAt } = delivery
    const version = { record: await this.#recordOf(delivery), sequence, storedAt }
    const { leaseMs } = waiting.waiter.request
    if (version.record.kind === 'ready') return this.#leases.grant({ version, ackSubject }, leaseMs, calledAt)
    if (version.record.kind === 'anchor') waiting.isShort = true
    else await this.#store.noteMet(version)
    await this.#store.finish(ackSubject)
    return undefined
  }

  /** What is no task is told of once, and not delivered again. */
  async #recordOf({ data, ackSubject }: Called): Promise<TaskRecord> {
    try {
      return decodeRecord(data)
    } catch (thrown) {
      await this.#store.finish(ackSubject)
      throw thrown
    }
  }

  #isInLine(waiter: Waiter): boolean {
    for (const one of this.#line) if (one === waiter) return true
    return false
  }
}
