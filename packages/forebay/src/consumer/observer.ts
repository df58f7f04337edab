/** Who watches the consumers of a queue: the observer that the queue was opened with, if it cares about consumers. */

import type { Batch, Handler } from './handler.ts'
import type { MiddlewareScope } from './middleware/compose.ts'
import type { LeveledConsumer } from './leveled-consumer.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { TaskTypes } from '../queue/task-types.ts'

/** As much of a consumer as is watched. */
export type ObservedConsumer = Pick<
  LeveledConsumer,
  'on' | 'state' | 'running' | 'limits' | 'effectiveRate' | 'breaker'
>

export interface ConsumerObserver {
  /** Stands round the handler, of single tasks or of a batch, outside of all that the consumer uses. */
  aroundHandler<Types extends TaskTypes>(handler: Handler<Types>, scope: MiddlewareScope): Handler<Types>
  aroundBatch<Types extends TaskTypes>(batch: Batch<Types>, scope: MiddlewareScope): Batch<Types>
  /** The consumer is made; it is watched while it is not stopped. */
  watchConsumer(consumer: ObservedConsumer, queue: string): void
}

/** Undefined where nobody watches. */
export function observerOf({ telemetry }: Pick<LoadLevelingQueue, 'telemetry'>): ConsumerObserver | undefined {
  return telemetry && 'watchConsumer' in telemetry ? (telemetry as unknown as ConsumerObserver) : undefined
}

export function observedHandler<Types extends TaskTypes>(
  handler: Handler<Types> | Batch<Types>,
  observer: ConsumerObserver,
  scope: MiddlewareScope,
): Handler<Types> | Batch<Types> {
  if (typeof handler === 'function') return observer.aroundHandler(handler, scope)
  return observer.aroundBatch(handler, scope)
}
