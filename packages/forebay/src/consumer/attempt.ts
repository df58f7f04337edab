/**
 * One attempt at one task, or at the tasks of one batch, as a pipeline of named steps:
 *
 *     read each, run (with its time limit), settle on an outcome for each
 *
 * It decides how the attempt ended and says so as settlements; storing them and telling about them are the consumer's.
 */

import type { Claim } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { BreakerCall } from '../flow/breaker.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { parseTask, readTask, type TaskOf, type TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { type DeadReason, type FailedAttempt, TASK_BOUNDS } from '../task.ts'
import { ABORT_GRACE_MS } from './abort-grace.ts'
import { AttemptContext, type AttemptSide } from './attempt-context.ts'
import { AttemptSamples } from './attempt-samples.ts'
import type { Ending } from './ending.ts'
import type { HandlerReturn, Work } from './handler.ts'
import type { Held } from './held-tasks.ts'
import { LazyAbort } from './lazy-abort.ts'
import type { Limits } from './options.ts'

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

export class Attempt<Types extends TaskTypes> {
  readonly held: readonly Held[]
  /** Its handler is done, and its outcomes are on their way. */
  isSettling = false
  readonly samples: AttemptSamples
  /** What the circuit breaker gave for it. */
  call: BreakerCall | undefined
  /** In the bag of those that are under way. */
  place = -1
  #lateAt: number
  readonly #abort = new LazyAbort()
  #releaseOnAbort = false
  readonly #settings: AttemptSettings
  readonly #side: AttemptSide
  /** Ends the wait for the handler; undefined before it begins. */
  #giveUp: ((reason: unknown) => void) | undefined
  #cancelGrace: CancelTimer | undefined

  /** @param held At least one. @param now By the monotonic clock. */
  constructor(held: readonly Held[], settings: AttemptSettings, side: AttemptSide, now: number) {
    this.held = held
    this.#settings = settings
    this.#side = side
    this.samples = new AttemptSamples(side.samples, now)
    this.#lateAt = now + settings.limits.timeoutMs
  }

  /** When its time is over, by the monotonic clock; Infinity afterwards. */
  get lateAt(): number {
    return this.#lateAt
  }

  /** Whether the leases of all its tasks are lost. */
  get isLost(): boolean {
    return this.held.every(({ lost }) => lost)
  }

  /** Its time is over. */
  late(): void {
    this.#lateAt = Number.POSITIVE_INFINITY
    const { timeoutMs } = this.#settings.limits
    this.abort(new ForebayError('TASK_TIMEOUT', `The attempt was not done after ${timeoutMs} ms.`))
  }

  /** Tells the handler to end, with the reason; nobody waits for it longer than the grace. */
  abort(reason: ForebayError): void {
    if (this.#abort.abort(reason)) this.#beginGrace()
  }

  /** Tells the handler to end because the consumer stops: if it does not complete now, the tasks go back unharmed. */
  giveBack(): void {
    this.#releaseOnAbort = true
    this.abort(new ForebayError('QUEUE_CLOSED', 'The consumer stops; the task goes back to the queue.'))
  }

  /** Runs the handler to an end; one ending a task, in their order. Never rejects. */
  async run({ types }: LoadLevelingQueue<Types>, work: Work<Types>): Promise<readonly Ending[]> {
    const read = types ? await Promise.all(this.held.map((one) => this.#checked(types, one))) : this.#parsed()
    const tasks: TaskOf<Types>[] = []
    for (const one of read) if ('task' in one) tasks.push(one.task)
    if (tasks.length === 0) return this.#endings(read, [])
    try {
      return this.#endings(read, work.returnsOf(await this.#handled(tasks, work), tasks.length))
    } catch (thrown) {
      return read.map((one, index) => ('ending' in one ? one.ending : this.#failed(this.held[index] as Held, thrown)))
    } finally {
      this.#lateAt = Number.POSITIVE_INFINITY
      this.#cancelGrace?.()
    }
  }

  /** Settles as the handler does, or rejects when it was told to end and its grace is over. */
  #handled(tasks: readonly TaskOf<Types>[], work: Work<Types>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      // An asynchronous schema may have taken so long that the attempt is told to end before its handler begins.
      if (this.#abort.aborted) this.#beginGrace()
      const context = new AttemptContext(this.held, this.#abort, this.samples, this.#side)
      Promise.resolve(work.handle(tasks, context)).then(resolve, reject)
    })
  }

  #beginGrace(): void {
    const { clock } = this.#settings
    const { reason } = this.#abort
    if (this.#giveUp) this.#cancelGrace = clock.after(ABORT_GRACE_MS, () => this.#giveUp?.(reason))
  }

  #parsed(): Read<Types>[] {
    return this.held.map((one) => {
      try {
        return { task: parseTask<Types>(one.claim.task) }
      } catch (thrown) {
        return { ending: this.#dead(one, 'unreadable', thrown) }
      }
    })
  }

  async #checked(types: Types, one: Held): Promise<Read<Types>> {
    try {
      return { task: await readTask<Types>(types, one.claim.task) }
    } catch (thrown) {
      return { ending: this.#dead(one, 'unreadable', thrown) }
    }
  }

  /** @param returns Of those that could be read. */
  #endings(read: readonly Read<Types>[], returns: readonly HandlerReturn[]): Ending[] {
    let next = 0
    return read.map((one, index) =>
      'ending' in one ? one.ending : this.#ending(this.held[index] as Held, returns[next++]),
    )
  }

  #ending(one: Held, returned: HandlerReturn): Ending {
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
        return this.#dead(one, 'refused', new Error(returned.reason))
      case 'retry':
        return this.#retryOrDead(one, new Error(returned.reason), returned.delayMs)
      default:
        return this.#failed(one, new TypeError(`The handler returned ${JSON.stringify(returned)}, which is no outcome`))
    }
  }

  #completed(result: unknown): Ending {
    const { keepResultsMs } = this.#settings
    if (keepResultsMs === 0) return { outcome: 'complete', result }
    return { outcome: 'complete', result, keep: { result: JSON.stringify(result) ?? 'null', keepMs: keepResultsMs } }
  }

  #failed(one: Held, thrown: unknown): Ending {
    if (this.#releaseOnAbort) return { outcome: 'release', delayMs: 0 }
    const { limits, random } = this.#settings
    // A handler that obeyed its signal throws what its client made of it; the reason is what happened.
    const cause = this.#abort.aborted ? this.#abort.reason : thrown
    return this.#retryOrDead(one, cause, fullJitter(one.claim.task.attempts, random.next(), limits.backoff))
  }

  #retryOrDead(one: Held, thrown: unknown, delayMs: number): Ending {
    const { attempts } = one.claim.task
    if (attempts >= this.#settings.limits.maxAttempts) return this.#dead(one, 'attempts-exhausted', thrown)
    return { outcome: 'retry', delayMs, failure: failureOf(thrown, attempts, this.#settings.clock) }
  }

  #dead(one: Held, reason: DeadReason, thrown: unknown): Ending {
    return { outcome: 'dead', reason, failure: failureOf(thrown, one.claim.task.attempts, this.#settings.clock) }
  }
}

function failureOf(thrown: unknown, attempt: number, clock: Clock): FailedAttempt {
  const code = thrown instanceof ForebayError ? thrown.code : thrown instanceof Error ? thrown.name : 'Error'
  return { attempt, at: clock.now(), code, message: messageOf(thrown).slice(0, TASK_BOUNDS.failureMessageChars) }
}
