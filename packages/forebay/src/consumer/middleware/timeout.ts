/**
 * A time limit of its own, for all tasks or for some types. It ends the handler sooner than the consumer's `timeoutMs`; it
 * cannot end it later, so `timeoutMs` is the longest of all.
 *
 *     its time is over  ->  the handler's signal aborts with TASK_TIMEOUT  ->  it obeys, or has one second to
 *
 * The attempt then counts as failed, with TASK_TIMEOUT whatever the handler made of its signal.
 */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { TaskTypes } from '../../queue/task-types.ts'
import { withAbortGrace } from '../abort-grace.ts'
import type { Handler } from '../handler.ts'
import { between, LONGEST_MS } from '../bounds.ts'
import type { AnyMiddleware } from './compose.ts'

/**
 * @param limit Milliseconds, above 0 and at most a week: for every task, or for these types, and the others keep the consumer's.
 * @throws ForebayError INVALID_OPTION; for a type that the queue does not have when the consumer is made.
 */
export function timeout(limit: number | Readonly<Record<string, number>>): AnyMiddleware {
  const byType = typeof limit === 'number' ? undefined : new Map(Object.entries(limit))
  if (byType) for (const [type, ms] of byType) between(`timeout.${type}`, ms, Number.MIN_VALUE, LONGEST_MS)
  else between('timeout', limit, Number.MIN_VALUE, LONGEST_MS)
  return (next, { clock, types }) => {
    for (const type of byType?.keys() ?? []) if (types && !types.includes(type)) throw unknown(type, types)
    return async (task, context) => {
      const ms = byType ? byType.get(task.type) : (limit as number)
      return ms === undefined ? next(task, context) : within(ms, clock, next, task, context)
    }
  }
}

async function within<Types extends TaskTypes>(
  ms: number,
  clock: Clock,
  next: Handler<Types>,
  ...[task, context]: Parameters<Handler<Types>>
): Promise<Awaited<ReturnType<Handler<Types>>>> {
  const abort = new AbortController()
  const passOn = () => abort.abort(context.signal.reason)
  if (context.signal.aborted) passOn()
  else context.signal.addEventListener('abort', passOn, { once: true })
  const cancel = clock.after(ms, () => {
    abort.abort(new ForebayError('TASK_TIMEOUT', `The attempt at a "${task.type}" task was not done after ${ms} ms.`))
  })
  try {
    return await withAbortGrace(clock, abort.signal, async () => next(task, { ...context, signal: abort.signal }))
  } catch (thrown) {
    // What a handler throws once its signal aborted is what its client made of it; the reason is what happened.
    throw abort.signal.aborted ? abort.signal.reason : thrown
  } finally {
    cancel()
    context.signal.removeEventListener('abort', passOn)
  }
}

function unknown(type: string, types: readonly string[]): ForebayError {
  const message = `timeout names the task type "${type}", which the queue does not have; it has: ${types.join(', ')}.`
  return new ForebayError('INVALID_OPTION', message, { path: `timeout.${type}` })
}
