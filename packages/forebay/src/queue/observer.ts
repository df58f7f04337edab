/**
 * Who watches a queue, such as telemetry. The queue says when something is there to be watched; what is measured is not its matter.
 */

import type { QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import type { ScalingDecision } from '../flow/scaling-options.ts'
import type { TaskInput } from '../task.ts'
import type { EnqueueResult, LoadLevelingQueue } from './load-leveling-queue.ts'

/** As much of a queue as is watched. */
export type ObservedQueue = Pick<LoadLevelingQueue, 'name' | 'clock' | 'on' | 'depth' | 'spilled' | 'waiting'>

export interface QueueObserver {
  /** Stands round the queue's backend: it must do what the backend does. */
  around(service: QueueService, queue: { readonly name: string; readonly clock: Clock }): QueueService
  /** The queue is open. Returns what ends the watching, when the queue is closed. */
  watchQueue(queue: ObservedQueue): () => void
  /** An autoscaler has decided how many workers the queue should have; undefined: it decides no more. */
  noteScaling(queue: string, decision: ScalingDecision | undefined): void
  /** Tasks are about to be admitted; undefined: nobody cares. */
  sending(queue: string, inputs: readonly TaskInput[]): Sending | undefined
}

/** One call of the producer, from its begin to its end. */
export interface Sending {
  /** The tasks as they go on: with other headers, and else the same. */
  readonly inputs: readonly TaskInput[]
  end(results: readonly EnqueueResult[]): void
}
