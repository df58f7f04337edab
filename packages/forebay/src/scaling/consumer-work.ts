/** What a consumer tells of its work: how many ended, how long they took, and what bounds it beside its own concurrency. */

import type { ConsumerEvents } from '../consumer/events.ts'
import type { Limits } from '../consumer/options.ts'
import type { EffectiveRate } from '../flow/effective-rate.ts'
import { startsPerSecond } from '../flow/flow-limits.ts'
import { ServiceTimes } from '../flow/service-times.ts'
import type { WorkSeen } from './actuator.ts'

export interface WorkingConsumer {
  readonly limits: Limits
  readonly effectiveRate: EffectiveRate
  on<Name extends keyof ConsumerEvents>(name: Name, listener: (event: ConsumerEvents[Name]) => void): () => void
}

export class ConsumerWork {
  readonly #consumer: WorkingConsumer
  readonly #times = new ServiceTimes()
  #finished = 0

  constructor(consumer: WorkingConsumer) {
    this.#consumer = consumer
    const ended = (isOver: boolean, durationMs?: number) => {
      if (isOver) this.#finished++
      if (durationMs !== undefined) this.#times.add(durationMs)
    }
    consumer.on('completed', ({ durationMs }) => ended(true, durationMs))
    // A dead task is still counted by the engine's depth, so it has not left.
    consumer.on('dead', ({ durationMs }) => ended(false, durationMs))
    consumer.on('retried', ({ durationMs }) => ended(false, durationMs))
    consumer.on('expired', () => ended(true))
  }

  get seen(): WorkSeen {
    return {
      finished: this.#finished,
      serviceMs: this.#times.meanMs,
      serviceDeviationMs: this.#times.deviationMs,
      capacityPerSecond: this.#capacityPerSecond,
    }
  }

  /** A process's own concurrency bounds nothing here: it is what is scaled. */
  get #capacityPerSecond(): number {
    const { limits, effectiveRate } = this.#consumer
    if (effectiveRate.boundBy !== 'concurrency') return effectiveRate.perSecond
    const perSecond = startsPerSecond(limits.flow.limits)
    const { meanMs = 0 } = this.#times
    if (limits.concurrencyScope !== 'queue' || meanMs === 0) return perSecond
    return Math.min(perSecond, (limits.concurrency * 1_000) / meanMs)
  }
}
