/**
 * Middleware: what stands round the handler of a consumer, such as a log line, a span or a time limit of its own.
 *
 *     use: [a, b]      runs      a(b(handler))      the outermost first
 *
 * Each is a function from a handler to a handler, called once when the consumer is made, so what it keeps is the consumer's
 * own. It may look at the task, change what the next one gets, not call it at all, and change what comes back. What it
 * throws counts as what the handler throws.
 */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { LoadLevelingQueue } from '../../queue/load-leveling-queue.ts'
import type { AnyTaskTypes, TaskTypes } from '../../queue/task-types.ts'
import type { Batch, Handler } from '../handler.ts'

/** Whose handler it stands round. */
export interface MiddlewareScope {
  /** The queue's name. */
  readonly queue: string
  /** Its task types; undefined if it takes any. */
  readonly types: readonly string[] | undefined
  /** The consumer's clock: a middleware that measures or waits does it by this one. */
  readonly clock: Clock
}

/** For the task types of one queue. */
export type Middleware<Types extends TaskTypes = AnyTaskTypes> = (
  next: Handler<Types>,
  scope: MiddlewareScope,
) => Handler<Types>

/** For any queue: it does not look into payloads. */
export type AnyMiddleware = <Types extends TaskTypes>(next: Handler<Types>, scope: MiddlewareScope) => Handler<Types>

/**
 * A batch's handler takes many tasks at once, and no middleware stands round it: with both it is refused rather than left out.
 * @throws ForebayError INVALID_OPTION for that, and for what is no middleware.
 */
export function compose<Types extends TaskTypes, Wrapped extends Handler<Types> | Batch<Types>>(
  use: readonly Middleware<Types>[] = [],
  handler: Wrapped,
  scope: MiddlewareScope,
): Handler<Types> | Wrapped {
  if (use.length === 0) return handler
  if (typeof handler !== 'function') {
    const message = 'use stands round the handler of single tasks; a batch is wrapped where it is made.'
    throw new ForebayError('INVALID_OPTION', message, { path: 'use' })
  }
  return use.reduceRight<Handler<Types>>((next, middleware, index) => {
    const wrapped = typeof middleware === 'function' ? middleware(next, scope) : undefined
    if (typeof wrapped === 'function') return wrapped
    const message = `use.${index} is no middleware: a function that takes the next handler and returns a handler.`
    throw new ForebayError('INVALID_OPTION', message, { path: `use.${index}` })
  }, handler)
}

export function scopeOf({ name, types }: Pick<LoadLevelingQueue, 'name' | 'types'>, clock: Clock): MiddlewareScope {
  return { queue: name, types: types && Object.keys(types), clock }
}
