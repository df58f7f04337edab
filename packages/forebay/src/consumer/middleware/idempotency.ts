/**
 * A handler that has completed a task does not run for it again: the completion is noted in a store, and an attempt at a
 * task that is noted there ends at once with the result of the first.
 *
 *     find(task)  ->  noted: complete with its result, the handler does not run
 *                 ->  not noted: run;  completed: note it, then settle
 *
 * A task is given again after it completed when the settlement was not stored: the backend was away, the lease was lost, the
 * process died. What this can and cannot promise:
 *
 * - It can: once a completion is noted, and as long as the store keeps it, the handler runs for that task no more.
 * - It cannot make effects exactly once. A process that dies after the effect and before the note, and a handler that goes
 *   on after its lease was lost while another attempt runs, both repeat the effect. Only who has the effect can refuse the
 *   repeat, by the task's id.
 * - A store in memory knows this process's completions only, the latest ones, and none after a restart.
 *
 * If the store cannot be asked, the attempt fails before the handler ran, and is retried. If a completion cannot be noted,
 * the outcome stands: failing it would repeat the effect for certain.
 */

import { asForebayError, ForebayError, messageOf } from '../../errors.ts'
import { complete } from '../outcome.ts'
import type { AnyMiddleware } from './compose.ts'

/** Where completions are noted. May be shared by many consumers, processes and queues. */
export interface CompletionStore {
  /** The noted result's JSON text, or undefined if there is no note. */
  find(task: string): Promise<string | undefined> | string | undefined
  /** Notes a completion. The same task may be noted twice. */
  note(task: string, result: string): Promise<void> | void
}

export interface IdempotencyOptions {
  /** Told when a completion could not be noted: then the handler may run again for that task. Default: nobody. */
  readonly onError?: (error: ForebayError) => void
}

export function idempotency(store: CompletionStore, options: IdempotencyOptions = {}): AnyMiddleware {
  return (next, { queue }) =>
    async (task, context) => {
      const name = `${queue}/${task.id}`
      const noted = await findIn(store, name)
      if (noted) return complete(noted.result)
      const returned = await next(task, context)
      if (returned && returned.outcome !== 'complete') return returned
      try {
        await store.note(name, JSON.stringify(returned?.result) ?? 'null')
      } catch (thrown) {
        options.onError?.(asForebayError(thrown, 'BACKEND_UNAVAILABLE'))
      }
      return returned
    }
}

async function findIn(store: CompletionStore, name: string): Promise<{ readonly result: unknown } | undefined> {
  try {
    const noted = await store.find(name)
    return noted === undefined ? undefined : { result: JSON.parse(noted) ?? undefined }
  } catch (cause) {
    const message = `Whether ${name} has completed before could not be found out: ${messageOf(cause)}. It did not run.`
    throw new ForebayError('BACKEND_UNAVAILABLE', message, { cause })
  }
}
