/** Who watches the consumers of a queue: the observer that the queue was opened with, if it cares about consumers. */

import type { AnyMiddleware } from './middleware/compose.ts'
import type { LeveledConsumer } from './leveled-consumer.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'

/** As much of a consumer as is watched. */
export type ObservedConsumer = Pick<
  LeveledConsumer,
  'on' | 'state' | 'running' | 'limits' | 'effectiveRate' | 'breaker'
>

export interface ConsumerObserver {
  /** Stands round the handler of single tasks, outside of all others. */
  readonly middleware: AnyMiddleware | undefined
  /** The consumer is made; it is watched while it is not stopped. */
  watchConsumer(consumer: ObservedConsumer, queue: string): void
}

/** Undefined where nobody watches. */
export function observerOf({ telemetry }: Pick<LoadLevelingQueue, 'telemetry'>): ConsumerObserver | undefined {
  return telemetry && 'watchConsumer' in telemetry ? (telemetry as unknown as ConsumerObserver) : undefined
}
