/**
 * One attempt at one task, as a pipeline of named steps:
 *
 *     read, run (with its time limit), settle on an outcome
 *
 * It decides how the attempt ended and says so as a settlement; storing it and telling about it are the consumer's.
 */

import type { Claim, Settlement } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { readTask, type TaskOf, type TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { type DeadReason, type FailedAttempt, TASK_BOUNDS } from '../task.ts'
import type { Limits } from './options.ts'
import type { Outcome } from './outcome.ts'

/** What a handler gets beside its task. */
export interface HandlerContext {
  /** Aborts when the attempt must end: its time is over, its lease was lost, or the consumer stops. Its reason is a ForebayError. */
  readonly signal: AbortSignal
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Keeps the task for `ms` from now, at least. The heartbeat does this by itself; call it before blocking the event loop. */
  extend(ms: number): Promise<void>
}

/** `undefined` (nothing returned) completes. */
export type HandlerReturn = Outcome | undefined | void

export type Handler<Types extends TaskTypes> = (
  task: TaskOf<Types>,
  context: HandlerContext,
) => HandlerReturn | Promise<HandlerReturn>

/** How an attempt ended; `outcome` is what the consumer stores. */
export type Ending = { readonly holdMs?: number; readonly result?: unknown } & DistributiveOmit<Settlement, 'claim'>

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never

export interface AttemptSettings {
  readonly limits: Limits
  readonly keepResultsMs: number
  readonly clock: Clock
  readonly random: RandomSource
}

/** How long a handler that was told to end may take to do so, before its slot is taken back. */
export const ABORT_GRACE_MS = 1_000

/** The attempts that crashes used up count as well: what is over its attempts never starts again. */
export function endWithoutRunning(claim: Claim, { limits, clock }: AttemptSettings): Ending | undefined {
  if (claim.expired) return { outcome: 'expire' }
  if (claim.task.attempts <= limits.maxAttempts) return undefined
  const lost = new ForebayError(
    'LEASE_LOST',
    'The last attempt ended without an answer: its consumer died or lost its lease.',
  )
  return { outcome: 'dead', reason: 'attempts-exhausted', failure: failureOf(lost, claim.task.attempts - 1, clock) }
}

export class Attempt<Types extends TaskTypes> {
  readonly claim: Claim
  readonly #abort = new AbortController()
  #releaseOnAbort = false
  readonly #settings: AttemptSettings
  readonly #extend: (ms: number) => Promise<void>

  constructor(claim: Claim, settings: AttemptSettings, extend: (ms: number) => Promise<void>) {
    this.claim = claim
    this.#settings = settings
    this.#extend = extend
  }

  /** Tells the handler to end, with the reason. */
  abort(reason: ForebayError): void {
    this.#abort.abort(reason)
  }

  /** Tells the handler to end because the consumer stops: if it does not complete now, the task goes back unharmed. */
  giveBack(): void {
    this.#releaseOnAbort = true
    this.abort(new ForebayError('QUEUE_CLOSED', 'The consumer stops; the task goes back to the queue.'))
  }

  /** Runs the handler to an end. Never rejects. */
  async run(queue: LoadLevelingQueue<Types>, handler: Handler<Types>): Promise<Ending> {
    let task: TaskOf<Types>
    try {
      task = await readTask<Types>(queue.types, this.claim.task)
    } catch (thrown) {
      return this.#dead('unreadable', thrown)
    }
    const { attempts } = this.claim.task
    const context: HandlerContext = { signal: this.#abort.signal, attempt: attempts, extend: this.#extend }
    try {
      return this.#ending(await this.#withinTime(async () => handler(task, context)))
    } catch (thrown) {
      return this.#failed(thrown)
    }
  }

  /** Settles as `work` does, or `ABORT_GRACE_MS` after the abort if the handler does not obey its signal. */
  #withinTime<Result>(work: () => Promise<Result>): Promise<Result> {
    const { clock, limits } = this.#settings
    const { signal } = this.#abort
    return new Promise((resolve, reject) => {
      let cancelGrace = () => {}
      const cancelTimeout = clock.after(limits.timeoutMs, () => {
        this.abort(new ForebayError('TASK_TIMEOUT', `The attempt was not done after ${limits.timeoutMs} ms.`))
      })
      const onAbort = () => {
        cancelGrace = clock.after(ABORT_GRACE_MS, () => reject(signal.reason))
      }
      // An asynchronous schema may have taken so long that the attempt is told to end before its handler begins.
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
      work()
        .then(resolve, reject)
        .finally(() => {
          cancelTimeout()
          cancelGrace()
          signal.removeEventListener('abort', onAbort)
        })
    })
  }

  #ending(returned: HandlerReturn): Ending {
    if (!returned) return this.#completed(undefined)
    switch (returned.outcome) {
      case 'complete':
        return this.#completed(returned.result)
      case 'release':
        return {
          outcome: 'release',
          delayMs: returned.delayMs,
          ...(returned.holdStarts && { holdMs: returned.delayMs }),
        }
      case 'dead':
        return this.#dead('refused', new Error(returned.reason))
      case 'retry':
        return this.#retryOrDead(new Error(returned.reason), returned.delayMs)
      default:
        return this.#failed(new TypeError(`The handler returned ${JSON.stringify(returned)}, which is no outcome`))
    }
  }

  #completed(result: unknown): Ending {
    const { keepResultsMs } = this.#settings
    if (keepResultsMs === 0) return { outcome: 'complete', result }
    return { outcome: 'complete', result, keep: { result: JSON.stringify(result) ?? 'null', keepMs: keepResultsMs } }
  }

  #failed(thrown: unknown): Ending {
    if (this.#releaseOnAbort) return { outcome: 'release', delayMs: 0 }
    const { limits, random } = this.#settings
    // A handler that obeyed its signal throws what its client made of it; the reason is what happened.
    const cause = this.#abort.signal.aborted ? this.#abort.signal.reason : thrown
    return this.#retryOrDead(cause, fullJitter(this.claim.task.attempts, random.next(), limits.backoff))
  }

  #retryOrDead(thrown: unknown, delayMs: number): Ending {
    const { attempts } = this.claim.task
    if (attempts >= this.#settings.limits.maxAttempts) return this.#dead('attempts-exhausted', thrown)
    return { outcome: 'retry', delayMs, failure: failureOf(thrown, attempts, this.#settings.clock) }
  }

  #dead(reason: DeadReason, thrown: unknown): Ending {
    return { outcome: 'dead', reason, failure: failureOf(thrown, this.claim.task.attempts, this.#settings.clock) }
  }
}

function failureOf(thrown: unknown, attempt: number, clock: Clock): FailedAttempt {
  const code = thrown instanceof ForebayError ? thrown.code : thrown instanceof Error ? thrown.name : 'Error'
  return { attempt, at: clock.now(), code, message: messageOf(thrown).slice(0, TASK_BOUNDS.failureMessageChars) }
}
