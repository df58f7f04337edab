/**
 * One attempt at one task, or at the tasks of one batch, as a pipeline of named steps:
 *
 *     read each, run (with its time limit), settle on an outcome for each
 *
 * It decides how the attempt ended and says so as settlements; storing them and telling about them are the consumer's.
 */

import type { Claim, Settlement } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { parseTask, readTask, type TaskOf, type TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { type DeadReason, type FailedAttempt, TASK_BOUNDS } from '../task.ts'
import { withAbortGrace } from './abort-grace.ts'
import type { CallReport, HandlerContext, HandlerReturn, Work } from './handler.ts'
import { LazyAbort } from './lazy-abort.ts'
import type { Limits } from './options.ts'

/** How an attempt at a task ended; `outcome` is what the consumer stores. */
export type Ending = { readonly holdMs?: number; readonly result?: unknown } & DistributiveOmit<Settlement, 'claim'>

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never

export interface AttemptSettings {
  readonly limits: Limits
  readonly keepResultsMs: number
  readonly clock: Clock
  readonly random: RandomSource
}

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

type Read<Types extends TaskTypes> = { readonly task: TaskOf<Types> } | { readonly ending: Ending }

/** What an attempt can do for its handler that is not its own to do. */
export interface AttemptSide {
  extend(ms: number): Promise<void>
  charge(cost: number): void
  report(call: CallReport): void
  /** Calls `onLate` in `ms`; returns what lifts the limit. */
  limitTime(ms: number, onLate: () => void): () => void
}

export class Attempt<Types extends TaskTypes> {
  readonly #claims: readonly Claim[]
  readonly #abort = new LazyAbort()
  #releaseOnAbort = false
  readonly #settings: AttemptSettings
  readonly #side: AttemptSide

  /** @param claims At least one. */
  constructor(claims: readonly Claim[], settings: AttemptSettings, side: AttemptSide) {
    this.#claims = claims
    this.#settings = settings
    this.#side = side
  }

  /** Tells the handler to end, with the reason. */
  abort(reason: ForebayError): void {
    this.#abort.abort(reason)
  }

  /** Tells the handler to end because the consumer stops: if it does not complete now, the tasks go back unharmed. */
  giveBack(): void {
    this.#releaseOnAbort = true
    this.abort(new ForebayError('QUEUE_CLOSED', 'The consumer stops; the task goes back to the queue.'))
  }

  /** Runs the handler to an end; one ending a claim, in their order. Never rejects. */
  async run(queue: LoadLevelingQueue<Types>, work: Work<Types>): Promise<Ending[]> {
    const read = queue.types
      ? await Promise.all(this.#claims.map((claim) => this.#checked(queue.types, claim)))
      : this.#claims.map((claim) => this.#parsed(claim))
    const tasks = read.flatMap((one) => ('task' in one ? [one.task] : []))
    const returned = tasks.length > 0 ? await this.#returned(tasks, work) : []
    let next = 0
    return read.map((one, index) => {
      if ('ending' in one) return one.ending
      const claim = this.#claims[index] as Claim
      return 'thrown' in returned ? this.#failed(claim, returned.thrown) : this.#ending(claim, returned[next++])
    })
  }

  #parsed(claim: Claim): Read<Types> {
    try {
      return { task: parseTask<Types>(claim.task) }
    } catch (thrown) {
      return { ending: this.#dead(claim, 'unreadable', thrown) }
    }
  }

  async #checked(types: Types | undefined, claim: Claim): Promise<Read<Types>> {
    try {
      return { task: await readTask<Types>(types, claim.task) }
    } catch (thrown) {
      return { ending: this.#dead(claim, 'unreadable', thrown) }
    }
  }

  async #returned(
    tasks: readonly TaskOf<Types>[],
    work: Work<Types>,
  ): Promise<readonly HandlerReturn[] | { readonly thrown: unknown }> {
    const attempt = (this.#claims[0] as Claim).task.attempts
    const { extend, charge, report } = this.#side
    const abort = this.#abort
    const context: HandlerContext = {
      get signal() {
        return abort.signal
      },
      attempt,
      extend,
      charge,
      report,
    }
    try {
      return await this.#withinTime(() => work.run(tasks, context))
    } catch (thrown) {
      return { thrown }
    }
  }

  /** Settles as `work` does, or when its time is over and it does not obey. */
  async #withinTime<Result>(work: () => Promise<Result>): Promise<Result> {
    const { clock, limits } = this.#settings
    const liftLimit = this.#side.limitTime(limits.timeoutMs, () => {
      this.abort(new ForebayError('TASK_TIMEOUT', `The attempt was not done after ${limits.timeoutMs} ms.`))
    })
    try {
      // An asynchronous schema may have taken so long that the attempt is told to end before its handler begins.
      return await withAbortGrace(clock, this.#abort, work)
    } finally {
      liftLimit()
    }
  }

  #ending(claim: Claim, returned: HandlerReturn): Ending {
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
        return this.#dead(claim, 'refused', new Error(returned.reason))
      case 'retry':
        return this.#retryOrDead(claim, new Error(returned.reason), returned.delayMs)
      default:
        return this.#failed(
          claim,
          new TypeError(`The handler returned ${JSON.stringify(returned)}, which is no outcome`),
        )
    }
  }

  #completed(result: unknown): Ending {
    const { keepResultsMs } = this.#settings
    if (keepResultsMs === 0) return { outcome: 'complete', result }
    return { outcome: 'complete', result, keep: { result: JSON.stringify(result) ?? 'null', keepMs: keepResultsMs } }
  }

  #failed(claim: Claim, thrown: unknown): Ending {
    if (this.#releaseOnAbort) return { outcome: 'release', delayMs: 0 }
    const { limits, random } = this.#settings
    // A handler that obeyed its signal throws what its client made of it; the reason is what happened.
    const cause = this.#abort.aborted ? this.#abort.reason : thrown
    return this.#retryOrDead(claim, cause, fullJitter(claim.task.attempts, random.next(), limits.backoff))
  }

  #retryOrDead(claim: Claim, thrown: unknown, delayMs: number): Ending {
    const { attempts } = claim.task
    if (attempts >= this.#settings.limits.maxAttempts) return this.#dead(claim, 'attempts-exhausted', thrown)
    return { outcome: 'retry', delayMs, failure: failureOf(thrown, attempts, this.#settings.clock) }
  }

  #dead(claim: Claim, reason: DeadReason, thrown: unknown): Ending {
    return { outcome: 'dead', reason, failure: failureOf(thrown, claim.task.attempts, this.#settings.clock) }
  }
}

function failureOf(thrown: unknown, attempt: number, clock: Clock): FailedAttempt {
  const code = thrown instanceof ForebayError ? thrown.code : thrown instanceof Error ? thrown.name : 'Error'
  return { attempt, at: clock.now(), code, message: messageOf(thrown).slice(0, TASK_BOUNDS.failureMessageChars) }
}
