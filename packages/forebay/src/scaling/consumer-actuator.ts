/**
 * Scaling within a process: a worker is one attempt at a time of a consumer, and comes and goes at once. It needs `min: 1`, for the
 * consumer has a concurrency of at least one.
 *
 * What bounds the consumer's flow beside its concurrency (rate, quota, breaker, a hold, a pause) is the downstream's capacity.
 */

import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { Actuator, WorkSeen } from './actuator.ts'
import { ConsumerWork } from './consumer-work.ts'

export class ConsumerActuator<Types extends TaskTypes> implements Actuator {
  readonly #consumer: LeveledConsumer<Types>
  readonly #work: ConsumerWork

  constructor(consumer: LeveledConsumer<Types>) {
    this.#consumer = consumer
    this.#work = new ConsumerWork(consumer)
  }

  workers(): { ready: number; starting: number } {
    return { ready: this.#consumer.limits.concurrency, starting: 0 }
  }

  work(): WorkSeen {
    return { ...this.#work.seen, startUpMs: 0 }
  }

  scaleTo(workers: number): void {
    this.#consumer.update({ concurrency: Math.max(1, workers) })
  }
}
