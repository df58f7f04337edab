/**
 * Gate: may an attempt start now, and when may the next one? It asks all who have a say:
 *
 *     Permits       the rate: when
 *     Concurrency   how many at once in this consumer, and the pace of a quota
 *     Slots         how many at once over all consumers, if the limit belongs to the queue
 *     Circuit       none while the downstream is taken for broken, a few probes afterwards
 *
 * Times are by the monotonic clock, ms.
 */

import type { Circuit } from './circuit.ts'
import type { Concurrency } from './concurrency.ts'
import type { Permits } from './permits.ts'
import type { Slots } from './slots.ts'

export interface Says {
  readonly permits: Permits
  readonly concurrency: Concurrency
  readonly circuit: Circuit
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
  room(running: number, now: number): number {
    const { concurrency, circuit, slots } = this.#says
    const shared = slots()?.allowed(now) ?? Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(concurrency.limit - running, shared - running, circuit.room(now)))
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

  /** For how many attempts tasks may be claimed now: what may start within the prefetch time. */
  claimable(running: number, now: number): number {
    const { permits, concurrency, circuit, slots } = this.#says
    const until = now + permits.prefetchMs
    const permitted = Math.min(permits.startsUntil(until, now), concurrency.startsUntil(until, now))
    const shared = slots()?.prospect(now) ?? Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(concurrency.limit - running, shared - running, circuit.room(now), permitted))
  }

  /** When the next permit comes so near that tasks should be claimed for it; Infinity if something else will tell. */
  claimAt(running: number, held: number, now: number): number {
    const { permits, concurrency, circuit, slots } = this.#says
    const shared = slots()?.prospect(now) ?? Number.POSITIVE_INFINITY
    const room = Math.min(concurrency.limit - running, shared - running, circuit.room(now))
    if (room <= held) return circuit.openUntil ?? Number.POSITIVE_INFINITY
    return Math.max(now, this.expectedAt - permits.prefetchMs)
  }
}
