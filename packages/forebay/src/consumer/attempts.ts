/**
 * The attempts of a consumer, from their start to their stored outcomes: it keeps their leases alive, tells those who learn
 * from them, stores how they ended and tells about it. When one starts is not its matter.
 *
 *     #running     attempts whose handler runs
 *     #settling    attempts that are over, until their outcomes are stored
 *     #releasing   settlements of tasks that did not run
 *
 * The next attempt may begin while outcomes are still on their way, so that the flow does not wait for the engine's round
 * trip. Not without bound (`MOST_SETTLING`): an engine that stores nothing slows the flow down instead of repeating effects.
 */

import type { Claim, QueueService, Settlement } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { Emitter } from '../events.ts'
import type { BreakerCall } from '../flow/breaker.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { ABORT_GRACE_MS } from './abort-grace.ts'
import { Attempt, type AttemptSettings, type Ending, endWithoutRunning } from './attempt.ts'
import { AttemptSamples } from './attempt-samples.ts'
import type { Circuit } from './circuit.ts'
import { type Concurrency, verdictOfAll } from './concurrency.ts'
import { Deadlines } from './deadlines.ts'
import type { ConsumerEvents } from './events.ts'
import type { CallReport, Work } from './handler.ts'
import { Heartbeat, type Lease } from './heartbeat.ts'
import type { Held } from './held-tasks.ts'
import { Settler } from './settler.ts'
import { within } from './within.ts'

export interface AttemptsOptions<Types extends TaskTypes> {
  readonly queue: LoadLevelingQueue<Types>
  readonly service: QueueService
  readonly work: Work<Types>
  readonly clock: Clock
  readonly random: RandomSource
  readonly leaseMs: number
  readonly events: Emitter<ConsumerEvents>
  readonly concurrency: Concurrency
  readonly circuit: Circuit
  readonly settings: () => AttemptSettings
  /** An attempt cost more than was taken for it. */
  readonly onCharge: (cost: number) => void
  /** The downstream asked for quiet. */
  readonly onHold: (delayMs: number) => void
  /** An attempt is over, and its slot is free. */
  readonly onEnd: () => void
}

/** So many attempts whose outcomes are not stored may repeat if the process dies, beside those that run. */
const MOST_SETTLING = 256

/** How much a new duration weighs in their mean. */
const DURATION_WEIGHT = 0.1

interface Running<Types extends TaskTypes> {
  readonly attempt: Attempt<Types>
  readonly held: readonly Held[]
  done: Promise<void>
}

export class Attempts<Types extends TaskTypes> {
  readonly #options: AttemptsOptions<Types>
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #deadlines: Deadlines
  readonly #limitTime = (ms: number, onLate: () => void) => this.#deadlines.limit(ms, onLate)
  readonly #running = new Set<Running<Types>>()
  readonly #settling = new Set<Running<Types>>()
  readonly #releasing = new Set<Promise<unknown>>()
  /** Gives up settling: aborted when a stop has run out of time. */
  #giveUp = new AbortController()
  #meanMs: number | undefined

  constructor(options: AttemptsOptions<Types>) {
    this.#options = options
    const { service, clock, random, leaseMs, events } = options
    const onError = (error: ForebayError, retryInMs: number) => events.emit('error', { error, retryInMs })
    const onLost = (lease: Lease) => this.#leaseLost(lease)
    this.#heartbeat = new Heartbeat(service, clock, leaseMs, { onLost, onError })
    this.#deadlines = new Deadlines(clock)
    this.#settler = new Settler(service, clock, random, onError)
  }

  /** How many run now. */
  get size(): number {
    return this.#running.size
  }

  /** How many more may begin before outcomes must be stored. */
  get room(): number {
    return MOST_SETTLING - this.#settling.size
  }

  /** How long attempts took of late, ms; undefined before the first has ended. */
  get meanMs(): number | undefined {
    return this.#meanMs
  }

  /** Settlements are stored however long it takes, until `stop`. */
  open(): void {
    this.#giveUp = new AbortController()
  }

  /** Ends a claim that must not run; whether it was one. */
  endedWithoutRunning(held: Held): boolean {
    const ending = endWithoutRunning(held.claim, this.#options.settings())
    if (ending) this.#track(this.#finish(held, ending, 0))
    return ending !== undefined
  }

  /** Gives a claim back that has not started. */
  release(held: Held): void {
    this.#track(this.#finish(held, { outcome: 'release', delayMs: 0 }, 0))
  }

  start(held: readonly Held[]): void {
    const { settings, onCharge, onHold, clock, concurrency, circuit, events } = this.#options
    const leases = held.map(({ lease }) => lease)
    const claims = held.map(({ claim }) => claim)
    const extend = (ms: number) => this.#heartbeat.extend(leases, ms)
    const samples = new AttemptSamples({ clock, concurrency, inFlight: () => this.#running.size, onHold })
    const report = (call: CallReport) => samples.report(call)
    const attempt = new Attempt<Types>(claims, settings(), {
      extend,
      charge: onCharge,
      report,
      limitTime: this.#limitTime,
    })
    for (const lease of leases) this.#heartbeat.keep(lease)
    // In the set before it begins: a turn that its start sets off must count it.
    const running: Running<Types> = { attempt, held, done: Promise.resolve() }
    this.#running.add(running)
    const call = circuit.start()
    const now = clock.monotonic()
    for (const { claim, since } of held) {
      events.emit('started', { task: claim.task, waitedMs: claim.waitedMs, heldMs: now - since })
    }
    running.done = this.#run(running, samples, call)
  }

  /** Lets what runs finish for up to `graceMs`, then tells it to end and releases what has not. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options
    const idle = this.#idle()
    if (!(await within(clock, graceMs, idle))) {
      for (const { attempt } of this.#running) attempt.giveBack()
      // A second grace: the first for handlers that do not obey their signal, the other for their outcomes to be stored.
      if (!(await within(clock, 2 * ABORT_GRACE_MS, idle))) this.#giveUp.abort()
    }
    await idle
    this.#deadlines.rest()
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0 || this.#settling.size > 0 || this.#releasing.size > 0) {
      const attempts = [...this.#running, ...this.#settling]
      await Promise.all([...this.#releasing, ...attempts.map(({ done }) => done)])
    }
  }

  async #run(running: Running<Types>, samples: AttemptSamples, call: BreakerCall | undefined): Promise<void> {
    const { queue, work, circuit, onHold, onEnd } = this.#options
    const { attempt, held } = running
    const ended = await attempt.run(queue, work)
    const tookMs = samples.end(verdictOfAll(ended), holdMsOf(ended))
    const isLost = held.every(({ lease }) => lease.lost)
    const endings = circuit.end(call, ended, isLost, tookMs)
    const holdMs = holdMsOf(endings)
    if (holdMs > 0) onHold(holdMs)
    this.#learn(tookMs)
    this.#running.delete(running)
    this.#settling.add(running)
    const settle = (one: Held, index: number) => this.#settle(one, endings[index] as Ending, tookMs)
    const settled = held.length === 1 ? settle(held[0] as Held, 0) : Promise.all(held.map(settle))
    onEnd()
    await settled
    this.#settling.delete(running)
    onEnd()
  }

  #learn(durationMs: number): void {
    this.#meanMs ??= durationMs
    this.#meanMs += DURATION_WEIGHT * (durationMs - this.#meanMs)
  }

  async #settle(held: Held, ending: Ending, durationMs: number): Promise<void> {
    if (!held.lease.lost) await this.#finish(held, ending, durationMs)
    this.#heartbeat.drop(held.lease)
  }

  /** Stores an ending, then tells about it. */
  async #finish({ claim, lease }: Held, ending: Ending, durationMs: number): Promise<void> {
    const { holdMs: _, result: __, ...outcome } = ending
    const settlement = (current: Lease) => ({ ...outcome, claim: current.claim }) as Settlement
    const settled = await this.#settler.settle(lease, settlement, this.#giveUp.signal)
    if (settled === 'settled') return this.#tell(claim, ending, durationMs)
    if (!lease.lost) this.#options.events.emit('leaseLost', { task: claim.task })
    lease.lost = true
  }

  #tell({ task }: Claim, ending: Ending, durationMs: number): void {
    const { events } = this.#options
    if (ending.outcome === 'complete') events.emit('completed', { task, durationMs, result: ending.result })
    else if (ending.outcome === 'expire') events.emit('expired', { task })
    else if (ending.outcome === 'release') events.emit('released', { task, delayMs: ending.delayMs })
    else if (ending.outcome === 'retry') {
      events.emit('retried', { task, durationMs, delayMs: ending.delayMs, failure: ending.failure })
    } else if (ending.failure) {
      events.emit('dead', { task, durationMs, reason: ending.reason, failure: ending.failure })
    }
  }

  #track(work: Promise<void>): void {
    this.#releasing.add(work)
    void work.finally(() => {
      this.#releasing.delete(work)
    })
  }

  #leaseLost(lease: Lease): void {
    for (const { attempt, held } of [...this.#running, ...this.#settling]) {
      const lost = held.find((one) => one.lease === lease)
      if (!lost) continue
      const { task } = lost.claim
      const message = `The lease of task ${task.id} was lost; another consumer may have it.`
      // A batch goes on for the sake of its other tasks.
      if (held.every((one) => one.lease.lost)) attempt.abort(new ForebayError('LEASE_LOST', message))
      this.#options.events.emit('leaseLost', { task })
    }
  }
}

function holdMsOf(endings: readonly Ending[]): number {
  return Math.max(...endings.map((ending) => ending.holdMs ?? 0))
}
