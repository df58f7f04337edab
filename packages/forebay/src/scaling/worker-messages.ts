/** What a worker process tells the pool that started it, over the channel of `child_process`. JSON has no Infinity: null stands for it. */

import type { WorkSeen } from './actuator.ts'

export type WorkerMessage =
  /** It takes tasks from now on. */
  | { readonly forebay: 'ready' }
  | {
      readonly forebay: 'work'
      readonly finished: number
      readonly serviceMs: number | null
      readonly serviceDeviationMs: number
      readonly capacityPerSecond: number | null
    }

export function workMessage({
  finished = 0,
  serviceMs,
  serviceDeviationMs = 0,
  capacityPerSecond,
}: WorkSeen): WorkerMessage {
  const capacity = capacityPerSecond === Number.POSITIVE_INFINITY ? undefined : capacityPerSecond
  return {
    forebay: 'work',
    finished,
    serviceMs: serviceMs ?? null,
    serviceDeviationMs,
    capacityPerSecond: capacity ?? null,
  }
}

/** What others send over the same channel is none of ours. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  if (typeof message !== 'object' || message === null || !('forebay' in message)) return false
  return message.forebay === 'ready' || message.forebay === 'work'
}
