/**
 * A pool of worker processes on this machine, an actuator of the autoscaler.
 *
 *     starting -> ready -> draining -> gone          scaling down drains, and never kills
 *         \--------\----> broken -> starting         one that ends unasked is started again after a backoff with full jitter
 *
 * A broken one counts as starting: it is on its way back. The backoff doubles with each end in a row, of any worker, for what breaks one
 * mostly breaks all; after a minute without one it begins anew. Who goes first when there are fewer: broken ones, those
 * that start, then the ready ones that are there for the shortest.
 */

import type { CancelTimer, Clock } from '../clock.ts'
import { Emitter, type Listener } from '../events.ts'
import { type BackoffSettings, fullJitter } from '../flow/backoff.ts'
import { StartUpTimes } from '../flow/start-up-times.ts'
import type { RandomSource } from '../random.ts'
import type { Actuator, WorkSeen } from './actuator.ts'
import { isWorkerMessage } from './worker-messages.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface WorkerPoolOptions {
  readonly clock: Clock
  readonly random: RandomSource
  /** Starts a process: `() => forkWorker({ file, args })`. */
  readonly start: () => WorkerProcess
  /** Default: from 500 ms, at most 30,000 ms. */
  readonly backoff?: BackoffSettings
  /** What the downstream can take while no worker tells of it, starts a second. Default: not known. */
  readonly capacityPerSecond?: number
}

export interface WorkerPoolEvents {
  started: { readonly pid: number | undefined }
  ready: { readonly pid: number | undefined; readonly startUpMs: number }
  draining: { readonly pid: number | undefined }
  /** As it was asked to. */
  ended: { readonly pid: number | undefined }
  /** Unasked; a new one is started in `retryInMs`. */
  broken: { readonly pid: number | undefined; readonly how: string; readonly retryInMs: number }
}

interface Worker {
  state: 'starting' | 'ready' | 'draining' | 'broken'
  process: WorkerProcess | undefined
  readonly startedAt: number
  work: WorkSeen
  cancelRestart: CancelTimer | undefined
}

const BACKOFF = { baseMs: 500, capMs: 30_000 } as const
/** After so long without one that broke, the next is the first again. */
const QUIET_MS = 60_000
/** Who goes first. */
const LEAVING = { broken: 0, starting: 1, ready: 2, draining: 3 } as const

export class WorkerPool implements Actuator {
  readonly #options: WorkerPoolOptions
  readonly #events = new Emitter<WorkerPoolEvents>()
  /** In the order in which they were started. */
  #workers: Worker[] = []
  /** Of those that are gone. */
  #finished = 0
  readonly #startUps = new StartUpTimes()
  #brokenInARow = 0
  #brokenAt = Number.NEGATIVE_INFINITY
  #isStopped = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof WorkerPoolEvents>(name: Name, listener: Listener<WorkerPoolEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  workers(): { ready: number; starting: number } {
    const ready = this.#workers.filter(({ state }) => state === 'ready').length
    return { ready, starting: this.#staying.length - ready }
  }

  /** Finish what they have begun, and are not counted as workers any more. */
  get draining(): number {
    return this.#workers.length - this.#staying.length
  }

  work(): WorkSeen {
    const told = this.#workers.map(({ work }) => work)
    // All of them work on the same: each has measured a part, and the mean of their means is near enough.
    const serviceMs = meanOf(told.flatMap(({ serviceMs }) => serviceMs ?? []))
    const capacities = told.flatMap(({ capacityPerSecond }) => capacityPerSecond ?? [])
    const known = capacities.length > 0 ? Math.min(...capacities) : this.#options.capacityPerSecond
    return {
      finished: this.#finished + told.reduce((sum, { finished = 0 }) => sum + finished, 0),
      serviceMs,
      serviceDeviationMs: meanOf(
        told.flatMap(({ serviceMs, serviceDeviationMs = 0 }) => (serviceMs ? serviceDeviationMs : [])),
      ),
      startUpMs: this.#startUps.slowestMs,
      capacityPerSecond: known,
    }
  }

  scaleTo(workers: number): void {
    if (this.#isStopped) return
    for (let count = this.#staying.length; count < workers; count++) this.#start()
    const leaving = [...this.#staying].reverse().sort((a, b) => LEAVING[a.state] - LEAVING[b.state])
    for (const worker of leaving.slice(0, Math.max(0, this.#staying.length - workers))) this.#drain(worker)
  }

  /** Drains all; what runs after `graceMs` is killed. Resolves when no process is left. Works twice. */
  async stop({ graceMs = 30_000 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#isStopped = true
    for (const worker of [...this.#workers]) if (worker.state !== 'draining') this.#drain(worker)
    if (this.#workers.length === 0) return
    const cancel = this.#options.clock.after(graceMs, () => {
      for (const { process } of this.#workers) process?.kill()
    })
    while (this.#workers.length > 0) await this.#events.once('ended')
    cancel()
  }

  get #staying(): readonly Worker[] {
    return this.#workers.filter(({ state }) => state !== 'draining')
  }

  #start(): void {
    const process = this.#options.start()
    const startedAt = this.#options.clock.monotonic()
    const worker: Worker = { state: 'starting', process, startedAt, work: {}, cancelRestart: undefined }
    this.#workers.push(worker)
    process.onMessage((message) => this.#hear(worker, message))
    process.onExit((_, how) => this.#gone(worker, how))
    this.#events.emit('started', { pid: process.pid })
  }

  #hear(worker: Worker, message: unknown): void {
    if (!isWorkerMessage(message)) return
    if (message.forebay === 'ready') {
      if (worker.state !== 'starting') return
      worker.state = 'ready'
      const startUpMs = this.#options.clock.monotonic() - worker.startedAt
      this.#startUps.note(startUpMs)
      this.#events.emit('ready', { pid: worker.process?.pid, startUpMs })
      return
    }
    const { finished, serviceMs, serviceDeviationMs, capacityPerSecond } = message
    worker.work = {
      finished,
      serviceMs: serviceMs ?? undefined,
      serviceDeviationMs,
      capacityPerSecond: capacityPerSecond ?? undefined,
    }
  }

  #drain(worker: Worker): void {
    worker.cancelRestart?.()
    if (worker.state === 'broken') {
      this.#forget(worker)
      return
    }
    worker.state = 'draining'
    this.#events.emit('draining', { pid: worker.process?.pid })
    worker.process?.drain()
  }

  #gone(worker: Worker, how: string): void {
    const pid = worker.process?.pid
    this.#finished += worker.work.finished ?? 0
    worker.work = {}
    if (worker.state === 'draining') {
      this.#forget(worker)
      this.#events.emit('ended', { pid })
      return
    }
    const { clock, random, backoff = BACKOFF } = this.#options
    const now = clock.monotonic()
    this.#brokenInARow = now - this.#brokenAt > QUIET_MS ? 1 : this.#brokenInARow + 1
    this.#brokenAt = now
    const retryInMs = fullJitter(this.#brokenInARow, random.next(), backoff)
    worker.state = 'broken'
    worker.process = undefined
    worker.cancelRestart = clock.after(retryInMs, () => {
      this.#forget(worker)
      this.#start()
    })
    this.#events.emit('broken', { pid, how, retryInMs })
  }

  #forget(worker: Worker): void {
    this.#workers = this.#workers.filter((other) => other !== worker)
  }
}

function meanOf(numbers: readonly number[]): number | undefined {
  return numbers.length === 0 ? undefined : numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}
