/**
 * Permits beside an engine that delivers by itself: its own rate follows the consumers', so that it neither delivers what would
 * only be held nor holds back what could start.
 *
 *     keep     when the consumer first runs, and when its rate has changed; one call at a time, the latest rate
 *     failed   told, and tried again after full jitter; tasks start by the permits meanwhile, which are the stricter of the two
 *
 * A consumer without a limit on its starts leaves the engine's rate as it is, until one that it had is taken away.
 */

import type { OwnRate } from '../backends/queue-service.ts'
import { asForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import { type FlowSettings, startsPerSecond } from '../flow/flow-limits.ts'
import type { Permits } from './permits.ts'
import type { SharedPermitsOptions } from './shared-permits.ts'

/** A setting that can't be changed now, by want of a permission say, is no reason to ask often. */
const BACKOFF = { baseMs: 1_000, capMs: 60_000 } as const

export type OwnRatePermitsOptions = Pick<SharedPermitsOptions, 'clock' | 'random' | 'onChange' | 'onError'>

export class OwnRatePermits implements Permits {
  readonly prefetchMs: number
  readonly #permits: Permits
  readonly #ownRate: OwnRate
  readonly #options: OwnRatePermitsOptions
  #wanted: number
  /** As far as we know; Infinity: it is not ours. */
  #kept = Number.POSITIVE_INFINITY
  #isAsking = false
  #failed = 0

  constructor(permits: Permits, ownRate: OwnRate, settings: FlowSettings, options: OwnRatePermitsOptions) {
    this.prefetchMs = permits.prefetchMs
    this.#permits = permits
    this.#ownRate = ownRate
    this.#options = options
    this.#wanted = startsPerSecond(settings.limits)
  }

  get nextAt(): number {
    return this.#permits.nextAt
  }

  get expectedAt(): number {
    return this.#permits.expectedAt
  }

  wakeAt(now: number): number {
    return this.#permits.wakeAt(now)
  }

  take(now: number, cost: number): void {
    this.#permits.take(now, cost)
  }

  charge(cost: number, now: number): void {
    this.#permits.charge(cost, now)
  }

  startsUntil(until: number, now: number): number {
    return this.#permits.startsUntil(until, now)
  }

  provide(waiting: number, costs: (from: number) => readonly number[], now: number): void {
    if (!this.#isAsking && this.#wanted !== this.#kept) void this.#keep(this.#wanted)
    this.#permits.provide(waiting, costs, now)
  }

  hold(until: number, now: number): void {
    this.#permits.hold(until, now)
  }

  rest(): void {
    this.#permits.rest()
  }

  letGo(): void {
    this.#permits.letGo()
  }

  change(settings: FlowSettings, now: number): void {
    this.#wanted = startsPerSecond(settings.limits)
    this.#permits.change(settings, now)
  }

  async #keep(perSecond: number): Promise<void> {
    const { clock, random, onChange, onError } = this.#options
    this.#isAsking = true
    try {
      await this.#ownRate.keep(perSecond)
      this.#kept = perSecond
      this.#failed = 0
    } catch (thrown) {
      const error = asForebayError(thrown, 'BACKEND_UNAVAILABLE')
      const retryInMs = fullJitter(++this.#failed, random.next(), BACKOFF)
      if (error.code !== 'QUEUE_CLOSED') onError(error, retryInMs)
      await new Promise<void>((resolve) => void clock.after(retryInMs, resolve, { background: true }))
    }
    this.#isAsking = false
    onChange()
  }
}
