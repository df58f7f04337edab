/**
 * Tasks that were granted, each under a token and a lease. The server knows no leases: a delivery lasts as long as its
 * channel, so the lease is kept here, and what outlives it is given back. A token names one delivery of one channel: after
 * a reconnection the server counts its deliveries anew, and no old token can meet a new delivery.
 */

import type { Channel } from 'rabbitmq-client'
import type { Clock } from '../../clock.ts'
import type { Claim, ClaimRef, ExtendResult } from '../queue-service.ts'
import { type Delivery, finish } from './delivery.ts'
import { storedTask } from './message.ts'

export interface Grant {
  readonly delivery: Delivery
  readonly token: string
  /** By the monotonic clock. */
  endsAt: number
}

export class Grants {
  readonly #clock: Clock
  readonly #name: string
  readonly #longestMs: number
  readonly #held = new Map<string, Grant>()
  readonly #channels = new WeakMap<Channel, number>()
  #channelsSeen = 0

  /**
   * @param name Makes tokens of different processes different.
   * @param longestMs So long after a delivery its lease ends, however often it was extended: the server would close the channel.
   */
  constructor(clock: Clock, name: string, longestMs: number) {
    this.#clock = clock
    this.#name = name
    this.#longestMs = longestMs
  }

  get size(): number {
    return this.#held.size
  }

  grant(delivery: Delivery, leaseMs: number): Claim {
    const now = this.#clock.monotonic()
    const token = `${this.#name}.${this.#numberOf(delivery.channel)}.${delivery.tag}`
    const grant = { delivery, token, endsAt: now + leaseMs }
    this.#hold(grant)
    const { letter, attempts, readyAt } = delivery
    const { id, expiresAt = Number.POSITIVE_INFINITY } = letter.record
    const wall = this.#clock.now()
    const waitedMs = Math.max(0, wall - readyAt)
    return { id, token, task: storedTask(letter, attempts + 1), waitedMs, expired: expiresAt <= wall }
  }

  /** The grant, for its end; undefined if its lease is over. Nobody else gets it then. */
  take({ id, token }: ClaimRef): Grant | undefined {
    const grant = this.#find(id, token)
    if (grant) this.#held.delete(token)
    return grant
  }

  /** It could not be ended: its lease goes on. */
  giveBack(grant: Grant): void {
    if (!grant.delivery.channel.active) return
    this.#hold(grant)
  }

  extend({ id, token }: ClaimRef, leaseMs: number): ExtendResult {
    const grant = this.#find(id, token)
    if (!grant) return { status: 'stale' }
    const endsAt = this.#clock.monotonic() + leaseMs
    if (endsAt > grant.delivery.arrivedAt + this.#longestMs) {
      this.#lapse(grant)
      return { status: 'stale' }
    }
    grant.endsAt = endsAt
    return { status: 'extended', token }
  }

  /** The server gives out again what came by this channel. */
  forget(channel: Channel): void {
    for (const [token, { delivery }] of this.#held) if (delivery.channel === channel) this.#held.delete(token)
  }

  #find(id: string, token: string): Grant | undefined {
    const grant = this.#held.get(token)
    if (!grant || grant.delivery.letter.record.id !== id) return undefined
    if (grant.endsAt > this.#clock.monotonic()) return grant
    // The timer may be late: this process stood still.
    this.#lapse(grant)
    return undefined
  }

  #hold(grant: Grant): void {
    this.#held.set(grant.token, grant)
    this.#watch(grant)
  }

  /** An extension leaves the timer as it is: it looks again when it fires. */
  #watch(grant: Grant): void {
    const look = () => {
      if (this.#held.get(grant.token) !== grant) return
      if (grant.endsAt <= this.#clock.monotonic()) this.#lapse(grant)
      else this.#watch(grant)
    }
    this.#clock.after(Math.max(0, grant.endsAt - this.#clock.monotonic()), look, { background: true })
  }

  #lapse(grant: Grant): void {
    this.#held.delete(grant.token)
    void finish(grant.delivery, 'requeue')
  }

  #numberOf(channel: Channel): number {
    const number = this.#channels.get(channel) ?? ++this.#channelsSeen
    this.#channels.set(channel, number)
    return number
  }
}
