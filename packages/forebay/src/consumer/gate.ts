/**
 * Gate: may an attempt start now, and when may the next one? It asks all who have a say:
 *
 *     Permits       the rate: when
 *     Concurrency   how many at once in this consumer, and the pace of a quota
 *     Slots         how many at once over all consumers, if the limit belongs to the queue
 *     Attempts      how many outcomes are still to be stored
 *     Circuit       none while the downstream is taken for broken, a few probes afterwards
 *
 * Times are by the monotonic clock, ms.
 */

import type { Attempts } from './attempts.ts'
import type { Circuit } from './circuit.ts'
import type { Concurrency } from './concurrency.ts'
import type { Permits } from './permits.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { Slots } from './slots.ts'

/** Tasks for attempts that are short are claimed this far ahead, so that they need not wait for the engine's answer. */
const AHEAD_MS = 20

/** Shorter attempts are taken for this long: it bounds what is claimed ahead. */
const LEAST_MS = 0.02

/** And no more than so many: what is held longer than moments costs memory here, and is kept from other consumers. */
const MOST_AHEAD = 1_000

export interface Says {
  readonly permits: Permits
  readonly concurrency: Concurrency
  readonly circuit: Circuit
  readonly attempts: Pick<Attempts<TaskTypes>, 'size' | 'room' | 'meanMs'>
  /** Undefined where the limit on concurrency is this consumer's own. */
  readonly slots: () => Slots | undefined
}

export class Gate {
  readonly #says: Says

  constructor(says: Says) {
    this.#says = says
  }

  /** Whether nothing at all may start: what is claimed goes back. */
  isShut(now: number): boolean {
    return this.#says.circuit.room(now) === 0
  }

  /** How many more attempts may run at once. */
  room(now: number): number {
    const { concurrency, circuit, slots, attempts } = this.#says
    const limit = Math.min(concurrency.limit, slots()?.allowed(now) ?? Number.POSITIVE_INFINITY)
    return Math.max(0, Math.min(limit - attempts.size, circuit.room(now), attempts.room))
  }

  /** When the next attempt may start; -Infinity: at once, Infinity: not known yet. */
  get nextAt(): number {
    return Math.max(this.#says.permits.nextAt, this.#says.concurrency.nextStartAt)
  }

  /** When the next start is expected, by the rate and by what a quota leaves. */
  get expectedAt(): number {
    return Math.max(this.#says.permits.expectedAt, this.#says.concurrency.nextStartAt)
  }

  /** When an attempt that waits for its permit should look again. */
  wakeAt(now: number): number {
    return Math.max(this.#says.permits.wakeAt(now), this.#says.concurrency.nextStartAt)
  }

  /** For how many attempts tasks may be held now: what may start within the prefetch time. */
  claimable(now: number): number {
    const { permits, concurrency } = this.#says
    const until = now + permits.prefetchMs
    const permitted = Math.min(permits.startsUntil(until, now), concurrency.startsUntil(until, now))
    return Math.max(0, Math.min(this.#roomSoon(now), permitted))
  }

  /** When the next permit comes so near that tasks should be claimed for it; Infinity if something else will tell. */
  claimAt(held: number, now: number): number {
    const { permits, circuit } = this.#says
    if (this.#roomSoon(now) <= held) return circuit.openUntil ?? Number.POSITIVE_INFINITY
    return Math.max(now, this.expectedAt - permits.prefetchMs)
  }

  /** How many attempts there is room for now, or will be within `AHEAD_MS` as those that run end. */
  #roomSoon(now: number): number {
    const { concurrency, circuit, slots, attempts } = this.#says
    const limit = Math.min(concurrency.limit, slots()?.prospect(now) ?? Number.POSITIVE_INFINITY)
    const ending =
      attempts.meanMs === undefined ? 0 : Math.floor((limit * AHEAD_MS) / Math.max(attempts.meanMs, LEAST_MS))
    return Math.min(limit - attempts.size + Math.min(ending, MOST_AHEAD), circuit.room(now))
  }
}
