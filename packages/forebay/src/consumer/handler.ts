/** What does the work of a task, or of several at once, and what it is given beside them. */

import { ForebayError } from '../errors.ts'
import type { TaskOf, TaskTypes } from '../queue/task-types.ts'
import type { Outcome } from './outcome.ts'

/**
 * What a handler gets beside its task. Its signal is made when it is first asked for, so a copy must say `signal` itself, as in
 * `{ ...context, signal: AbortSignal.any([context.signal, mine]) }`; TypeScript sees to that, because this is declared as a class.
 */
export declare abstract class HandlerContext {
  /** Aborts when the attempt must end: its time is over, its lease was lost, or the consumer stops. Its reason is a ForebayError. */
  abstract get signal(): AbortSignal
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Keeps the task for `ms` from now, at least. The heartbeat does this by itself; call it before blocking the event loop. */
  readonly extend: (ms: number) => Promise<void>
  /**
   * The attempt cost so much more than the task's `cost`, such as the tokens that an answer turned out to have: a rate that
   * counts costs makes up for it before the next start.
   */
  readonly charge: (cost: number) => void
  /**
   * Tells of each call that the attempt made, where its client repeats calls by itself: a 429 that a client retried would
   * count as a success otherwise, and raise an adaptive limit. Then the calls count for the limit, and the attempt as a whole
   * does not. `observedFetch` does it for a client that takes a `fetch`. @throws ForebayError INVALID_OPTION.
   */
  readonly report: (call: CallReport) => void
}

/** One call of the downstream within an attempt. */
export interface CallReport {
  /** `ok`: it was answered. `failed`: it says something against the downstream. `refused`: the downstream asked for less (429). */
  readonly result: 'ok' | 'failed' | 'refused'
  /** How long it took, ms. Default: the time since the call before was reported, or since the attempt began. */
  readonly latencyMs?: number
  /** What a refusal's `Retry-After` says, ms: so long nothing else starts, as with `release(ms, { holdStarts: true })`. */
  readonly retryAfterMs?: number
}

/** `undefined` (nothing returned) completes. */
export type HandlerReturn = Outcome | undefined | void

export type Handler<Types extends TaskTypes> = (
  task: TaskOf<Types>,
  context: HandlerContext,
) => HandlerReturn | Promise<HandlerReturn>

/** One attempt at several tasks: each of them tells which attempt it is. */
export type BatchContext = Omit<HandlerContext, 'attempt'>

/** One outcome a task, in their order; `undefined` (nothing returned) completes all. A thrown error is a retry of all. */
export type BatchReturn = readonly HandlerReturn[] | undefined | void

export type BatchHandler<Types extends TaskTypes> = (
  tasks: readonly TaskOf<Types>[],
  context: BatchContext,
) => BatchReturn | Promise<BatchReturn>

export interface BatchOptions {
  /** So many tasks at the most. From 2 to 10,000. */
  readonly maxTasks: number
  /** A batch that is not full begins this long after its first task was claimed, ms. Default 0: at once with what is there. */
  readonly maxWaitMs?: number
}

/** Made by `batch`. */
export interface Batch<Types extends TaskTypes> extends Required<BatchOptions> {
  readonly handle: BatchHandler<Types>
}

/**
 * A handler that takes several tasks in one call, such as a bulk insert. A batch is one start for the rate and one for the
 * limit on concurrency, since it is one call of the downstream; of a rate that counts costs it takes the sum of its tasks'.
 * @throws ForebayError INVALID_OPTION.
 */
export function batch<Types extends TaskTypes>(handle: BatchHandler<Types>, options: BatchOptions): Batch<Types> {
  const { maxTasks, maxWaitMs = 0 } = options
  if (!(Number.isInteger(maxTasks) && maxTasks >= 2 && maxTasks <= 10_000)) {
    const message = `maxTasks is a whole number from 2 to 10000, not ${maxTasks}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'maxTasks' })
  }
  if (!(maxWaitMs >= 0 && maxWaitMs <= LONGEST_WAIT_MS)) {
    const message = `maxWaitMs is a number from 0 to ${LONGEST_WAIT_MS}, not ${maxWaitMs}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'maxWaitMs' })
  }
  return { handle, maxTasks, maxWaitMs }
}

/** Tasks that wait for others to fill their batch are leased meanwhile: far shorter than a lease. */
const LONGEST_WAIT_MS = 600_000

/** A handler of either kind, as an attempt calls it. */
export interface Work<Types extends TaskTypes> {
  readonly maxTasks: number
  readonly maxWaitMs: number
  handle(tasks: readonly TaskOf<Types>[], context: HandlerContext): unknown
  /** One return a task, of what `handle` came to. @throws TypeError if it is none. */
  returnsOf(returned: unknown, tasks: number): readonly HandlerReturn[]
}

export function workOf<Types extends TaskTypes>(handler: Handler<Types> | Batch<Types>): Work<Types> {
  if (typeof handler === 'function') {
    return {
      maxTasks: 1,
      maxWaitMs: 0,
      handle: ([task], context) => handler(task as TaskOf<Types>, context),
      returnsOf: (returned) => [returned as HandlerReturn],
    }
  }
  const { handle, maxTasks, maxWaitMs } = handler
  return { maxTasks, maxWaitMs, handle, returnsOf: returnsOfBatch }
}

function returnsOfBatch(returned: unknown, tasks: number): readonly HandlerReturn[] {
  if (returned === undefined) return new Array(tasks).fill(undefined)
  if (Array.isArray(returned) && returned.length === tasks) return returned
  const what = Array.isArray(returned) ? `${returned.length} outcomes` : JSON.stringify(returned)
  throw new TypeError(`The batch handler returned ${what} for ${tasks} tasks`)
}
