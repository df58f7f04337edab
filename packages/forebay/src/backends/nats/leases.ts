/**
 * The leases of this process, and what is done about those that are over, whoever held them. A lease is a stored grant: it
 * ends `leaseMs` after the server's stamp of it. Here its end is counted from before it was sent, so it never ends later for
 * its holder than for the others.
 */

import type { CancelTimer, Clock } from '../../clock.ts'
import type { Claim, ClaimRef, ExtendResult } from '../queue-service.ts'
import { FRESH_MS } from './old-grants.ts'
import type { Store, StoredGrant } from './store.ts'
import { hasExpired, readyAtOf, storedTaskOf, successorOf, type Version } from './task-record.ts'

/** A version, and where its consumer is told of it. */
interface Delivered {
  readonly version: Version
  readonly ackSubject: string
}

/** A lease of ours. */
export interface Lease extends Delivered {
  readonly token: string
  /** The sequence of the stored grant. */
  grant: number
  leaseMs: number
  /** By our monotonic clock. */
  endsAt: number
  settling: boolean
  extending: Promise<ExtendResult> | undefined
}

/** Somebody is at work on the version: it is looked at again after this. */
const LOOK_AGAIN_MS = 250

export class Leases {
  readonly #store: Store
  readonly #clock: Clock
  readonly #leases = new Map<string, Lease>()
  readonly #putBacks = new Set<Promise<void>>()
  #timer: { readonly due: number; readonly cancel: CancelTimer } | undefined

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /**
   * Grants a ready version; undefined if it was granted before, and then what has to be done about that is done.
   * @param calledAt When the call was made that the delivery answers, by our monotonic clock.
   */
  async grant(delivered: Delivered, leaseMs: number, calledAt: number): Promise<Claim | undefined> {
    const { version, ackSubject } = delivered
    const { record, sequence } = version
    const { ahead } = await this.#store.time.now()
    await this.#store.removePrevious(version)
    if (record.dedup) await this.#store.dedup.confirm(record.dedup)
    const asked = this.#clock.monotonic()
    const grant = await this.#store.grant(sequence, { leaseMs }, 0)
    if (grant === undefined) {
      await this.#look(delivered)
      return undefined
    }
    // It may have ended while the delivery was on its way, so long ago that its grant was forgotten.
    if (this.#clock.monotonic() > calledAt + FRESH_MS) return undefined
    this.#store.lookAgain(ackSubject, leaseMs)
    const token = this.#store.tokenOf(sequence)
    const lease = {
      ...delivered,
      token,
      leaseMs,
      grant,
      endsAt: asked + leaseMs,
      settling: false,
      extending: undefined,
    }
    this.#leases.set(token, lease)
    this.#wakeAt(lease.endsAt)
    const now = this.#clock.monotonic() + ahead
    return {
      id: record.id,
      token,
      task: storedTaskOf(version, record.attempts + 1),
      waitedMs: Math.max(0, now - readyAtOf(version)),
      expired: hasExpired(version, now),
    }
  }

  /** The lease that a claim names, if it lasts. */
  held({ id, token }: ClaimRef): Lease | undefined {
    const lease = this.#leases.get(token)
    return lease && lease.version.record.id === id && lease.endsAt > this.#clock.monotonic() ? lease : undefined
  }

  /** It is settled, or lost. */
  drop({ token }: Lease): void {
    this.#leases.delete(token)
  }

  /** It is no longer being settled; if it is still held, its end counts again. */
  watch(lease: Lease): void {
    if (this.#leases.has(lease.token)) this.#wakeAt(lease.endsAt)
  }

  /** The stream of the tasks is another one: nothing that was held exists. */
  dropAll(): void {
    this.#leases.clear()
  }

  async extend(claim: ClaimRef, leaseMs: number): Promise<ExtendResult> {
    const lease = this.held(claim)
    if (!lease) return { status: 'stale' }
    lease.extending = this.#extend(lease, leaseMs).finally(() => {
      lease.extending = undefined
      this.#wakeAt(lease.endsAt)
    })
    return lease.extending
  }

  /** What was held and is over is ready again when this resolves. */
  async putBackOver(): Promise<void> {
    this.#putBackOver()
    await Promise.all(this.#putBacks)
  }

  close(): void {
    this.#leases.clear()
    this.#timer?.cancel()
  }

  async #extend(lease: Lease, leaseMs: number): Promise<ExtendResult> {
    const asked = this.#clock.monotonic()
    const grant = await this.#store.grant(lease.version.sequence, { leaseMs }, lease.grant)
    if (grant === undefined) {
      this.drop(lease)
      return { status: 'stale' }
    }
    Object.assign(lease, { grant, leaseMs, endsAt: asked + leaseMs })
    this.#store.lookAgain(lease.ackSubject, leaseMs)
    return { status: 'extended', token: lease.token }
  }

  #wakeAt(due: number): void {
    if (this.#timer && this.#timer.due <= due) return
    this.#timer?.cancel()
    const fire = () => {
      this.#timer = undefined
      this.#putBackOver()
    }
    this.#timer = { due, cancel: this.#clock.after(due - this.#clock.monotonic(), fire, { background: true }) }
  }

  #putBackOver(): void {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const lease of [...this.#leases.values()]) {
      if (lease.endsAt > now) next = Math.min(next, lease.endsAt)
      else if (!lease.settling && !lease.extending) this.#putBackOwn(lease)
    }
    if (Number.isFinite(next)) this.#wakeAt(next)
  }

  #putBackOwn(lease: Lease): void {
    this.drop(lease)
    const putBack = this.#store.time
      .now()
      .then(({ now }) =>
        this.#putBack(lease, { leaseMs: lease.leaseMs, sequence: lease.grant, storedAt: now - lease.leaseMs }),
      )
      // Its consumer delivers it again, and whoever gets it then does the same.
      .catch(() => undefined)
      .finally(() => this.#putBacks.delete(putBack))
    this.#putBacks.add(putBack)
  }

  /** A version that was granted before is delivered again: its lease may be over. */
  async #look(delivered: Delivered): Promise<void> {
    const stored = await this.#store.grantOf(delivered.version.sequence)
    if (!stored) return this.#store.lookAgain(delivered.ackSubject, LOOK_AGAIN_MS)
    const { now, error } = await this.#store.time.now()
    const leftMs = stored.storedAt + stored.leaseMs + error - now
    if (!stored.over && leftMs > 0) return this.#store.lookAgain(delivered.ackSubject, leftMs)
    await this.#putBack(delivered, stored)
  }

  /** A version whose lease is over becomes the next one, which may be granted. */
  async #putBack({ version, ackSubject }: Delivered, stored: StoredGrant): Promise<void> {
    const { leaseMs, over = false } = stored
    // From here on its holder can't extend it.
    const fence = over
      ? stored.sequence
      : await this.#store.grant(version.sequence, { leaseMs, over: true }, stored.sequence)
    if (fence === undefined) return this.#store.lookAgain(ackSubject, LOOK_AGAIN_MS)
    const attempts = version.record.attempts + 1
    const readyAt = stored.storedAt + leaseMs
    await this.#store.supersede(version, successorOf(version, { kind: 'ready', attempts, readyAt }))
    // If somebody else superseded or removed it, it is history all the same.
    await this.#store.remove(version.sequence)
    this.#store.retire(fence)
    await this.#store.finish(ackSubject)
  }
}
