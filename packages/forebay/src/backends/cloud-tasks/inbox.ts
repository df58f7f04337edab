/**
 * The deliveries of one queue that are held by this process: those that wait to be claimed, and those that are granted. A
 * grant whose lease is over waits to be claimed again, without a new delivery. One that has waited for so long that no full
 * lease could be given any more is handed back, by its keeper.
 */

import type { Clock } from '../../clock.ts'
import { ClaimLine } from '../claim-line.ts'
import type { Claim, ClaimRef, ClaimRequest, ExtendResult } from '../queue-service.ts'
import { isExpired, storedTask } from '../task-letter.ts'
import type { Arrival, Delivery, OpenRequest } from './delivery.ts'
import { MemoryOfNames } from './memory-of-names.ts'

/** What an open queue does for the deliveries of an inbox. */
export interface Keeper {
  /** Reads what has arrived; undefined if it is not to be granted now, and has been seen to. Rejects if it can't be read. */
  receive(arrival: Arrival, request: OpenRequest): Promise<Delivery | undefined>
  /** Has it delivered anew, as if it had not been granted since. */
  handBack(delivery: Delivery): Promise<void>
}

/** What has come is read within so long. */
const READING_MS = 10_000
/** So long a delivery waits for its queue to be opened, if it was open before. */
const REOPEN_MS = 1_000
/** In a second somebody else may have room. */
const RETRY_AFTER_S = 1

export class Inbox {
  readonly names: MemoryOfNames
  readonly #clock: Clock
  readonly #line: ClaimLine
  readonly #keepers = new Set<Keeper>()
  readonly #held = new Map<string, Delivery | Promise<Delivery | undefined>>()
  readonly #waiting = new Map<string, Delivery>()
  readonly #granted = new Map<string, Delivery>()
  readonly #onArrival = new Set<() => void>()
  readonly #onKeeper = new Set<() => void>()
  #grants = 0
  /** How many arrivals are being read. */
  #reading = 0
  /** How many may be held, granted ones included. */
  #room = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.names = new MemoryOfNames(clock)
    this.#line = new ClaimLine(clock)
  }

  /** How many are held, and since when the oldest of those that wait has been due, by the wall clock. */
  get counts(): { readonly ready: number; readonly inFlight: number; readonly oldestAt: number } {
    let inFlight = 0
    for (const held of this.#held.values()) if ('grant' in held && held.grant) inFlight++
    let oldestAt = Number.POSITIVE_INFINITY
    for (const { letter } of this.#waiting.values()) {
      oldestAt = Math.min(oldestAt, letter.record.readyAt ?? letter.record.createdAt)
    }
    return { ready: this.#held.size - inFlight, inFlight, oldestAt }
  }

  set room(room: number) {
    this.#room = room
  }

  enter(keeper: Keeper): void {
    this.#keepers.add(keeper)
    for (const enter of [...this.#onKeeper]) enter()
  }

  /** Ends the keeper's waits. With the last one all that is held goes back. */
  async leave(keeper: Keeper): Promise<void> {
    this.#line.end(keeper)
    for (const wake of [...this.#onArrival]) wake()
    if (this.#keepers.size > 1) {
      this.#keepers.delete(keeper)
      return
    }
    const left = [...this.#waiting.values(), ...this.#granted.values()]
    this.#keepers.delete(keeper)
    for (const delivery of left) this.#forget(delivery)
    // The attempts of those that are granted stay counted.
    await Promise.all(left.map((delivery) => this.#handBack(delivery, keeper)))
  }

  /** A delivery has come; it is answered when its task is settled. */
  async arrive(arrival: Arrival, request: OpenRequest): Promise<void> {
    const { name } = arrival
    if (this.#keepers.size === 0) await this.#nextKeeper()
    // It was done; only the answer did not get there.
    if (this.names.wasAnswered(name)) return void (await request.answer(200))
    const held = this.#held.get(name)
    if (held) {
      const delivery = await held
      if (!delivery || this.#held.get(name) !== delivery) return this.arrive(arrival, request)
      return delivery.join(request)
    }
    const [keeper] = this.#keepers
    if (!keeper || this.#held.size >= this.#room) return void (await request.answer(503, RETRY_AFTER_S))
    const receiving = keeper.receive(arrival, request)
    this.#held.set(name, receiving)
    this.names.arrived(name)
    this.#reading++
    // What can't be read now comes again.
    const delivery = await receiving.catch(() => request.answer(503, RETRY_AFTER_S).then(() => undefined))
    this.#reading--
    if (delivery && this.#keepers.size > 0 && request.isOpen) this.#hold(delivery)
    else {
      this.#held.delete(name)
      if (delivery) await this.#handBack(delivery, keeper)
    }
    for (const wake of [...this.#onArrival]) wake()
  }

  /** The other side has cut a request. If it was the only one the task will be delivered again: its lease is lost. */
  async cut(name: string, request: OpenRequest): Promise<void> {
    const delivery = await this.#held.get(name)
    if (delivery?.leave(request)) this.#forget(delivery)
  }

  async claim(request: ClaimRequest, owner: Keeper): Promise<Claim[]> {
    const { max, waitMs, signal } = request
    if (waitMs > 0 && !signal?.aborted) return this.#line.join(request, owner, () => this.#serve())
    // What has reached this machine is read first.
    await nextTurn()
    while (this.#waiting.size < max && !signal?.aborted && this.#keepers.has(owner)) {
      const overMs = this.#reading > 0 ? READING_MS : this.names.onItsWayMs
      if (overMs <= 0) break
      await this.#nextArrival(overMs)
    }
    return this.#take(request)
  }

  /** Ends the grant, out of here, so that nobody else ends it too; undefined if its lease is over. */
  take({ id, token }: ClaimRef): Delivery | undefined {
    const delivery = this.#current({ id, token })
    if (!delivery) return undefined
    this.#granted.delete(token)
    delivery.cancel()
    return delivery
  }

  /** The settlement failed: its lease goes on. */
  giveBack(delivery: Delivery): void {
    const { grant } = delivery
    if (!grant || !this.#held.has(delivery.name)) return
    this.#granted.set(grant.token, delivery)
    this.#watch(delivery)
  }

  /** It was answered for good. */
  done(delivery: Delivery): void {
    this.#forget(delivery)
    this.names.answered(delivery.name)
  }

  extend(claim: ClaimRef, leaseMs: number): ExtendResult {
    const delivery = this.#current(claim)
    const endsAt = this.#clock.monotonic() + leaseMs
    // A deadline that has been given can't be moved.
    if (!delivery || endsAt > delivery.endsAt) return { status: 'stale' }
    delivery.grant = { token: claim.token, endsAt }
    this.#watch(delivery)
    return { status: 'extended', token: claim.token }
  }

  /** This process has made a task that is due after so long. */
  expect(name: string, delayMs: number): void {
    if (!this.#held.has(name)) this.names.expect(name, delayMs)
  }

  holds(name: string): boolean {
    return this.#held.has(name)
  }

  #hold(delivery: Delivery): void {
    this.#held.set(delivery.name, delivery)
    this.#waiting.set(delivery.name, delivery)
    this.#watch(delivery)
    this.#serve()
  }

  #serve(): void {
    for (const waiter of this.#line) {
      const claims = this.#take(waiter.request)
      if (claims.length === 0) return
      waiter.finish(claims)
    }
  }

  #take({ max, leaseMs }: ClaimRequest): Claim[] {
    const claims: Claim[] = []
    const now = this.#clock.monotonic()
    for (const delivery of this.#waiting.values()) {
      if (claims.length === max) break
      // It would end before the lease does: it comes again.
      if (now + leaseMs > delivery.endsAt) this.#letGo(delivery)
      else claims.push(this.#grant(delivery, now + leaseMs))
    }
    return claims
  }

  #grant(delivery: Delivery, endsAt: number): Claim {
    const { name, letter, payload } = delivery
    const { record } = letter
    delivery.grants++
    const token = `${name} ${++this.#grants}`
    delivery.grant = { token, endsAt }
    this.#waiting.delete(name)
    this.#granted.set(token, delivery)
    this.#watch(delivery)
    const now = this.#clock.now()
    const task = storedTask({ record, payload }, delivery.attempts)
    const waitedMs = Math.max(0, now - (record.readyAt ?? record.createdAt))
    return { id: record.id, token, task, waitedMs, expired: isExpired(record, now) }
  }

  #current({ id, token }: ClaimRef): Delivery | undefined {
    const delivery = this.#granted.get(token)
    if (delivery?.letter.record.id !== id || !delivery.grant) return undefined
    return delivery.grant.endsAt > this.#clock.monotonic() ? delivery : undefined
  }

  /** Looks at it when its lease ends, or when it can't wait here any longer. */
  #watch(delivery: Delivery): void {
    delivery.cancel()
    const at = delivery.grant?.endsAt ?? delivery.waitsUntil
    delivery.cancel = this.#clock.after(Math.max(0, at - this.#clock.monotonic()), () => this.#over(delivery), {
      background: true,
    })
  }

  #over(delivery: Delivery): void {
    const { grant } = delivery
    if (grant) this.#granted.delete(grant.token)
    delivery.grant = undefined
    if (this.#clock.monotonic() >= delivery.waitsUntil) this.#letGo(delivery)
    else this.#hold(delivery)
    for (const wake of [...this.#onArrival]) wake()
  }

  #letGo(delivery: Delivery): void {
    this.#forget(delivery)
    const [keeper] = this.#keepers
    if (keeper) void this.#handBack(delivery, keeper)
  }

  async #handBack(delivery: Delivery, keeper: Keeper): Promise<void> {
    try {
      await keeper.handBack(delivery)
      this.names.answered(delivery.name)
    } catch {
      // Then it is delivered again all the same, and counts as an attempt.
    }
    await delivery.answer(this.names.wasAnswered(delivery.name) ? 200 : 503, RETRY_AFTER_S)
  }

  #forget(delivery: Delivery): void {
    delivery.cancel()
    this.#held.delete(delivery.name)
    this.#waiting.delete(delivery.name)
    if (delivery.grant) this.#granted.delete(delivery.grant.token)
  }

  #nextArrival(atMostMs: number): Promise<void> {
    return this.#told(this.#onArrival, atMostMs)
  }

  /** A queue that is closed here may be open again in a moment. */
  #nextKeeper(): Promise<void> {
    return this.#told(this.#onKeeper, REOPEN_MS)
  }

  #told(listeners: Set<() => void>, atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel()
        listeners.delete(wake)
        resolve()
      }
      const cancel = this.#clock.after(atMostMs, wake)
      listeners.add(wake)
    })
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
