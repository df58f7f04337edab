/** The queues of the stand-in of Cloud Tasks: their settings, their tasks, and when each is dispatched. */

import { type CancelTimer, systemClock } from '../../packages/forebay/src/clock.ts'
import { dispatch, type Outcome } from './cloud-tasks-dispatch.ts'
import type { TokenMint } from './cloud-tasks-tokens.ts'

/** An error as gRPC names it. */
export class Refusal extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const INVALID = 3
const NOT_FOUND = 5
const ALREADY_EXISTS = 6

export interface Span {
  readonly seconds?: number
  readonly nanos?: number
}

interface Settings {
  readonly rateLimits: { readonly maxDispatchesPerSecond: number; readonly maxConcurrentDispatches: number }
  readonly retryConfig: {
    readonly maxAttempts: number
    readonly maxRetryDuration: Span
    readonly minBackoff: Span
    readonly maxBackoff: Span
    readonly maxDoublings: number
  }
}

/** What Google's documents name as the defaults. */
const DEFAULTS: Settings = {
  rateLimits: { maxDispatchesPerSecond: 500, maxConcurrentDispatches: 1_000 },
  retryConfig: {
    maxAttempts: 100,
    maxRetryDuration: {},
    minBackoff: { nanos: 100_000_000 },
    maxBackoff: { seconds: 3_600 },
    maxDoublings: 16,
  },
}

/** A name is remembered for so long after its task is gone. */
const NAME_KEPT_MS = 3_600_000
const MAX_TASK_BYTES = 100 * 1024

export interface TaskFields {
  readonly name?: string
  readonly httpRequest?: {
    readonly url?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: Buffer
    readonly oidcToken?: { readonly serviceAccountEmail: string; readonly audience?: string }
  }
  readonly scheduleTime?: Span
  readonly dispatchDeadline?: Span
}

export class FakeTask {
  readonly task: TaskFields
  readonly name: string
  dueAt: number
  readonly createdAt = systemClock.now()
  dispatches = 0
  responses = 0
  previous: number | undefined

  constructor(name: string, task: TaskFields) {
    this.name = name
    this.task = task
    this.dueAt = task.scheduleTime ? msOf(task.scheduleTime) : this.createdAt
  }

  shown(whole: boolean) {
    const { url, headers, body } = this.task.httpRequest ?? {}
    return {
      name: this.name,
      scheduleTime: spanOf(this.dueAt),
      createTime: { seconds: Math.floor(this.createdAt / 1_000) },
      dispatchDeadline: this.task.dispatchDeadline,
      dispatchCount: this.dispatches,
      responseCount: this.responses,
      httpRequest: { url, headers, ...(whole && { body }) },
      view: whole ? 'FULL' : 'BASIC',
    }
  }
}

export class QueueSet {
  readonly #mint: TokenMint
  readonly #queues = new Map<string, FakeQueue>()
  /** How long a deadline is here, as a share of what it says. */
  deadlineScale = 1
  /** How often each due task is dispatched at once. */
  copies = 1
  /** Whether those that came last are dispatched first. */
  lastFirst = false

  constructor(mint: TokenMint) {
    this.#mint = mint
  }

  get(name: string): FakeQueue {
    const queue = this.#queues.get(name)
    if (!queue) throw new Refusal(NOT_FOUND, `Queue does not exist: ${name}.`)
    return queue
  }

  make(name: string, settings: Partial<Settings>): FakeQueue {
    if (this.#queues.has(name)) throw new Refusal(ALREADY_EXISTS, 'Queue already exists')
    const queue = new FakeQueue(name, this, this.#mint)
    queue.change(settings, ['rate_limits', 'retry_config'])
    this.#queues.set(name, queue)
    return queue
  }

  stop(): void {
    for (const queue of this.#queues.values()) queue.pause(true)
  }
}

export class FakeQueue {
  readonly tasks = new Map<string, FakeTask>()
  settings = DEFAULTS
  paused = false
  /** How many are under way now, and were at most. */
  underWay = 0
  mostUnderWay = 0
  /** When dispatches began, by the monotonic clock. */
  readonly dispatchedAt: number[] = []
  readonly #name: string
  readonly #set: QueueSet
  readonly #mint: TokenMint
  readonly #usedNames = new Map<string, number>()
  readonly #busy = new Set<FakeTask>()
  #names = 0
  #tokens = 0
  #tokensAt = systemClock.monotonic()
  #cancel: CancelTimer = () => {}

  constructor(name: string, set: QueueSet, mint: TokenMint) {
    this.#name = name
    this.#set = set
    this.#mint = mint
  }

  /** Google does not say how it derives it; here it is what one second brings. */
  get burst(): number {
    return Math.max(1, Math.ceil(this.settings.rateLimits.maxDispatchesPerSecond))
  }

  get shown() {
    const { rateLimits, retryConfig } = this.settings
    const state = this.paused ? 'PAUSED' : 'RUNNING'
    return { name: this.#name, rateLimits: { ...rateLimits, maxBurstSize: this.burst }, retryConfig, state }
  }

  change({ rateLimits, retryConfig }: Partial<Settings>, paths: readonly string[]): void {
    const of = (group: string) => (path: string) => path === group || path.startsWith(`${group}.`)
    const { maxDispatchesPerSecond = 1, maxConcurrentDispatches = 1 } = rateLimits ?? {}
    if (maxDispatchesPerSecond > 500 || maxConcurrentDispatches > 5_000) throw new Refusal(INVALID, 'beyond the limit')
    this.settings = {
      rateLimits: paths.some(of('rate_limits'))
        ? { ...this.settings.rateLimits, ...rateLimits }
        : this.settings.rateLimits,
      retryConfig: paths.some(of('retry_config'))
        ? { ...this.settings.retryConfig, ...retryConfig }
        : this.settings.retryConfig,
    }
    this.#tokens = this.burst
    this.#look()
  }

  pause(is: boolean): this {
    this.paused = is
    this.#cancel()
    if (!is) this.#look()
    return this
  }

  purge(): this {
    for (const name of [...this.tasks.keys()]) this.#remove(name)
    return this
  }

  create(task: TaskFields): FakeTask {
    const { dispatchDeadline, httpRequest } = task
    const deadlineMs = dispatchDeadline ? msOf(dispatchDeadline) : 600_000
    if (deadlineMs < 15_000 || deadlineMs > 1_800_000) throw new Refusal(INVALID, 'dispatchDeadline is out of range')
    const bytes = (httpRequest?.body?.length ?? 0) + JSON.stringify(httpRequest?.headers ?? {}).length
    if (bytes > MAX_TASK_BYTES) throw new Refusal(INVALID, 'Task size too large')
    const given = task.name === undefined ? String(++this.#names).padStart(19, '0') : lastOf(task.name)
    const usedAt = this.#usedNames.get(given)
    if (this.tasks.has(given)) throw new Refusal(ALREADY_EXISTS, 'Requested entity already exists')
    if (usedAt !== undefined && systemClock.monotonic() < usedAt + NAME_KEPT_MS) {
      throw new Refusal(
        ALREADY_EXISTS,
        'The task cannot be created because a task with this name existed too recently.',
      )
    }
    const made = new FakeTask(`${this.#name}/tasks/${given}`, task)
    this.tasks.set(given, made)
    this.#look()
    return made
  }

  task(name: string): FakeTask {
    const task = this.tasks.get(name)
    if (!task) throw new Refusal(NOT_FOUND, 'Requested entity was not found.')
    return task
  }

  delete(name: string): void {
    this.task(name)
    this.#remove(name)
  }

  #remove(name: string): void {
    this.tasks.delete(name)
    this.#usedNames.set(name, systemClock.monotonic())
  }

  /** Dispatches all that may be dispatched now, and looks again when the next one may. */
  #look(): void {
    this.#cancel()
    if (this.paused) return
    const now = systemClock.now()
    const waiting = [...this.tasks.values()].filter((task) => !this.#busy.has(task))
    const due = waiting.filter(({ dueAt }) => dueAt <= now).sort((a, b) => a.dueAt - b.dueAt)
    if (this.#set.lastFirst) due.reverse()
    const { maxDispatchesPerSecond, maxConcurrentDispatches } = this.settings.rateLimits
    this.#refill(maxDispatchesPerSecond)
    for (const task of due) {
      if (this.underWay >= maxConcurrentDispatches || this.#tokens < 1) break
      this.#tokens--
      void this.#dispatch(task)
    }
    const later = waiting.filter(({ dueAt }) => dueAt > now).map(({ dueAt }) => dueAt - now)
    if (due.length > 0 && this.#tokens < 1) later.push(1_000 / maxDispatchesPerSecond)
    if (later.length > 0) this.#cancel = systemClock.after(Math.min(...later), () => this.#look(), { background: true })
  }

  #refill(perSecond: number): void {
    const now = systemClock.monotonic()
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#tokensAt) / 1_000) * perSecond)
    this.#tokensAt = now
  }

  async #dispatch(task: FakeTask): Promise<void> {
    this.#busy.add(task)
    this.underWay++
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    this.dispatchedAt.push(systemClock.monotonic())
    task.dispatches++
    const deadlineMs = msOf(task.task.dispatchDeadline ?? { seconds: 600 }) * this.#set.deadlineScale
    const sent = Array.from({ length: this.#set.copies }, () =>
      dispatch(task, lastOf(this.#name), deadlineMs, this.#mint),
    )
    const outcomes = await Promise.all(sent)
    this.underWay--
    this.#busy.delete(task)
    this.#settle(task, outcomes)
    this.#look()
  }

  #settle(task: FakeTask, outcomes: readonly Outcome[]): void {
    task.responses++
    const done = outcomes.find(({ status = 0 }) => status >= 200 && status < 300)
    const { minBackoff, maxBackoff, maxDoublings, maxAttempts } = this.settings.retryConfig
    if (done || (maxAttempts > 0 && task.dispatches >= maxAttempts)) {
      this.#remove(lastOf(task.name))
      return
    }
    const [{ status, retryAfterMs = 0 } = {} as Outcome] = outcomes
    task.previous = status
    const doublings = Math.min(task.dispatches - 1, maxDoublings)
    const backoffMs = Math.min(msOf(maxBackoff), msOf(minBackoff) * 2 ** doublings)
    task.dueAt = systemClock.now() + Math.max(backoffMs, retryAfterMs)
  }
}

export function msOf({ seconds = 0, nanos = 0 }: Span): number {
  return seconds * 1_000 + nanos / 1e6
}

function spanOf(ms: number): Span {
  const seconds = Math.floor(ms / 1_000)
  return { seconds, nanos: Math.floor((ms - seconds * 1_000) * 1e6) }
}

export function lastOf(name = ''): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
