/**
 * Slots: this consumer's part of a limit on concurrency that all consumers of the queue keep together. The parts are leased
 * (flow/shared-slots.ts): a consumer tells how many attempts it runs and wants to run, and is told how many it may.
 *
 *     idle         holds nothing; may claim one task, to find out whether there is work
 *     holding      has a part, renews it, and tells when it wants more or less; asks at most each `ASK_EVERY_MS`
 *     waiting      wants slots and has none: asks again until others have given some up
 *
 * A part that could not be renewed in time is lost: nothing begins until the engine has answered again.
 */

import type { SharedState } from '../backends/shared-state.ts'
import type { Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { RandomSource } from '../random.ts'
import { BACKEND_BACKOFF } from './settler.ts'

/** The cell of the queue's limit on concurrency. */
const CELL = 'slots'

/** What a consumer that died held is free after this. */
const LEASE_MS = 10_000
const RENEW_EVERY_MS = LEASE_MS / 3

/** So that parts follow the work within moments, at a few calls a second. */
const ASK_EVERY_MS = 200

/** A lease is counted from before the request, less what a clock may drift meanwhile. */
const MARGIN_MS = 100

export interface SlotsOptions {
  readonly shared: SharedState
  readonly clock: Clock
  readonly random: RandomSource
  /** More or fewer may begin. */
  readonly onChange: () => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

export class Slots {
  readonly #options: SlotsOptions
  readonly #holder: string
  #limit: number
  #allowed = 0
  #endsAt = Number.NEGATIVE_INFINITY
  /** As the engine knows it. */
  #told = { using: 0, want: 0 }
  #contended = false
  #asking = false
  #askAgainAt = Number.NEGATIVE_INFINITY
  #failed = 0

  constructor(limit: number, options: SlotsOptions) {
    this.#limit = limit
    this.#options = options
    const { clock, random } = options
    this.#holder = `${Math.round(clock.now()).toString(36)}-${Math.floor(random.next() * 2 ** 52).toString(36)}`
  }

  change(limit: number): void {
    this.#limit = limit
    this.#askAgainAt = Number.NEGATIVE_INFINITY
  }

  /** How many may run at once in this consumer now. */
  allowed(now: number): number {
    return now < this.#endsAt ? this.#allowed : 0
  }

  /** For how many attempts it may claim tasks: one where it has not asked yet. */
  prospect(now: number): number {
    const isWaiting = this.#told.want > 0 || this.#asking
    return Math.max(this.allowed(now), isWaiting ? 0 : 1)
  }

  /** Tells what runs and what would run if it were allowed, those that run included. Call it at every turn. */
  tell(using: number, wish: number, now: number): void {
    const want = this.#wanted(wish)
    if (this.#asking || now < this.#nextAskAt(using, want)) return
    this.#asking = true
    void this.#ask(using, want)
  }

  /** When `tell` should be called again with the same wishes; Infinity if an answer is under way and `onChange` will say. */
  wakeAt(using: number, wish: number): number {
    return this.#asking ? Number.POSITIVE_INFINITY : this.#nextAskAt(using, this.#wanted(wish))
  }

  /** Gives the whole part back; nothing may run any more. */
  async leave(): Promise<void> {
    if (this.#told.want === 0 && this.#told.using === 0) return
    this.#allowed = 0
    await this.#ask(0, 0)
  }

  /** Who waits for slots goes on waiting for one until it has found out whether there is work. */
  #wanted(wish: number): number {
    const isWaiting = this.#told.want > 0 && this.#allowed === 0
    return Math.min(this.#limit, Math.max(wish, isWaiting ? 1 : 0))
  }

  #nextAskAt(using: number, want: number): number {
    const wantsOther = want !== this.#told.want || (this.#contended && using < this.#told.using)
    const isShort = want > this.#allowed
    if (wantsOther || isShort) return this.#askAgainAt
    const renewAt = this.#endsAt - LEASE_MS + RENEW_EVERY_MS
    return want === 0 ? Number.POSITIVE_INFINITY : Math.max(renewAt, this.#askAgainAt)
  }

  async #ask(using: number, want: number): Promise<void> {
    const { shared, clock, random, onChange, onError } = this.#options
    const asked = clock.monotonic()
    this.#asking = true
    this.#askAgainAt = asked + ASK_EVERY_MS
    // The answer may be less than was allowed, and it is true for the others before it is known here: till then nothing grows.
    this.#allowed = Math.min(this.#allowed, using)
    try {
      const step = { kind: 'share', holder: this.#holder, using, want, limit: this.#limit, leaseMs: LEASE_MS } as const
      const { result } = await shared.apply(CELL, step)
      this.#allowed = result.allowed
      this.#contended = result.contended
      this.#told = { using, want }
      this.#endsAt = asked + LEASE_MS - MARGIN_MS
      this.#failed = 0
    } catch (thrown) {
      const retryInMs = fullJitter(++this.#failed, random.next(), BACKEND_BACKOFF)
      this.#askAgainAt = Math.max(this.#askAgainAt, clock.monotonic() + retryInMs)
      onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
    }
    this.#asking = false
    onChange()
  }
}
