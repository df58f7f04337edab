/** A task on its way in, and what became of it. */

import type { NewTask } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import type { StartEstimate } from '../flow/start-estimate.ts'
import type { TaskId, TaskInput } from '../task.ts'

/** Admitted, and not stored yet. */
export interface Candidate {
  readonly input: TaskInput
  readonly task: NewTask
  readonly wantsEstimate: boolean
}

export type Outcome = {
  /** How long it waited for room, if it did, ms. */
  readonly waitedMs?: number
} & (
  | {
      readonly status: 'accepted'
      readonly id: TaskId
      /** These gave way to it. */
      readonly dropped?: readonly TaskId[]
      /** Whether it lies in the spill. */
      readonly spilled?: true
      readonly estimate?: StartEstimate
    }
  | { readonly status: 'duplicate'; readonly id: TaskId }
  | { readonly status: 'refused'; readonly error: ForebayError }
)

/** Of a task that waits for room: what will become of it. */
export type Placed = Outcome | Promise<Outcome>

export function refused(error: ForebayError): Outcome {
  return { status: 'refused', error }
}

/** Whether its producer gave it a name by which a second one of it is known. */
export function isNamed({ input }: Candidate): boolean {
  return input.id !== undefined || input.dedupId !== undefined
}

/** As it is now that it has been waiting for `ms` outside the queue: what is left of its delay and of its time to start. */
export function aged(task: NewTask, ms: number): NewTask {
  const { delayMs, ttlMs } = task
  return {
    ...task,
    delayMs: Math.max(0, delayMs - ms),
    // The least that a backend takes: it expires as soon as somebody looks at it.
    ...(ttlMs !== undefined && { ttlMs: Math.max(1, ttlMs - ms) }),
  }
}

export function conflict(dedupId: string | undefined, first: TaskId): Outcome {
  const message = `The dedup id "${dedupId}" belongs to task ${first}, which differs. Nothing was stored.`
  return refused(new ForebayError('DEDUP_CONFLICT', message, { path: 'dedupId' }))
}
