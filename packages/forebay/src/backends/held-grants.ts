/**
 * Tasks that were granted, each under a token and a lease, as this process knows them. Some engines take a settlement with
 * an old token as long as nobody else has the task; here a lease that is over is over, so that every engine says `stale`
 * alike. The lease here never ends later than the engine's.
 */

import type { Clock } from '../clock.ts'
import type { TaskId } from '../task.ts'
import type { ClaimRef } from './queue-service.ts'

export interface HeldGrant<Held> {
  readonly id: TaskId
  readonly token: string
  readonly held: Held
  /** By the monotonic clock. */
  readonly endsAt: number
}

const PRUNE_FROM = 1_000

export class HeldGrants<Held> {
  readonly #clock: Clock
  readonly #grants = new Map<string, HeldGrant<Held>>()
  #pruneAt = PRUNE_FROM

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many leases last. */
  get size(): number {
    this.#prune()
    return this.#grants.size
  }

  hold(grant: HeldGrant<Held>): void {
    this.#grants.set(grant.token, grant)
    if (this.#grants.size >= this.#pruneAt) this.#prune()
  }

  /** The grant, out of here, so that nobody else ends it too; undefined if its lease is over. */
  take({ id, token }: ClaimRef): HeldGrant<Held> | undefined {
    const grant = this.#grants.get(token)
    if (grant?.id !== id) return undefined
    this.#grants.delete(token)
    return grant.endsAt > this.#clock.monotonic() ? grant : undefined
  }

  #prune(): void {
    const now = this.#clock.monotonic()
    for (const [token, { endsAt }] of this.#grants) if (endsAt <= now) this.#grants.delete(token)
    this.#pruneAt = Math.max(PRUNE_FROM, 2 * this.#grants.size)
  }
}
