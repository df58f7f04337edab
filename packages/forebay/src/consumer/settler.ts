/**
 * Settler: stores how attempts ended. Attempts that end close together share one call to the backend; a call that fails is
 * repeated with backoff until the lease is over or the consumer gives up, since settling twice is harmless.
 */

import type { QueueService, SettleResult } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import { GroupCommit } from '../group-commit.ts'
import type { RandomSource } from '../random.ts'
import { type Ending, settlementOf } from './ending.ts'
import type { Lease } from './heartbeat.ts'

export type Settled = 'settled' | 'stale'

export const BACKEND_BACKOFF = { baseMs: 100, capMs: 5_000 } as const

/** While one call waits for the engine's disk the next one may be on its way, of other tasks. */
const CALLS_ABREAST = 3

interface Order {
  readonly lease: Lease
  readonly ending: Ending
}

export class Settler {
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #onError: (error: ForebayError, retryInMs: number) => void
  readonly #group: GroupCommit<Order, SettleResult>

  constructor(
    service: QueueService,
    clock: Clock,
    random: RandomSource,
    onError: (error: ForebayError, retryInMs: number) => void,
  ) {
    this.#clock = clock
    this.#random = random
    this.#onError = onError
    // The token is read when the call is made, because a heartbeat may have changed it meanwhile.
    this.#group = new GroupCommit(
      (orders) => service.settle(orders.map(({ lease, ending }) => settlementOf(ending, lease.ref))),
      CALLS_ABREAST,
    )
  }

  /** Resolves when the ending is durable, or `stale` when it can no longer be. `signal` ends the repeating. */
  async settle(lease: Lease, ending: Ending, signal: AbortSignal): Promise<Settled> {
    const order = { lease, ending }
    for (let tries = 1; ; tries++) {
      let result: SettleResult
      try {
        result = await this.#group.add(order)
      } catch (thrown) {
        result = { status: 'failed', error: asForebayError(thrown, 'BACKEND_UNAVAILABLE') }
      }
      if (result.status !== 'failed') return result.status
      const retryInMs = fullJitter(tries, this.#random.next(), BACKEND_BACKOFF)
      const over = lease.lost || signal.aborted || lease.endsAt < this.#clock.monotonic() + retryInMs
      this.#onError(result.error, over ? 0 : retryInMs)
      if (over || !(await this.#waited(retryInMs, signal))) return 'stale'
    }
  }

  #waited(ms: number, signal: AbortSignal): Promise<boolean> {
    return sleep(this.#clock, ms, signal).then(
      () => true,
      () => false,
    )
  }
}
