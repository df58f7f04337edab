/**
 * The attempts of a consumer, from their start to their stored outcomes: it keeps their leases alive, tells those who learn
 * from them, stores how they ended and tells about it. When one starts is not its matter.
 *
 *     #underWay     attempts, from their start until their outcomes are stored
 *     #settling     so many of them are over already
 *     #releasing    so many tasks go back, or end, that did not run
 *
 * The next attempt may begin while outcomes are still on their way, so that the flow does not wait for the engine's round
 * trip. Not without bound (`MOST_SETTLING`): an engine that stores nothing slows the flow down instead of repeating effects.
 */

import type { QueueService, StoredTask } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { Emitter } from '../events.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { ABORT_GRACE_MS } from './abort-grace.ts'
import { Attempt, type AttemptSettings, endWithoutRunning } from './attempt.ts'
import type { AttemptSide } from './attempt-context.ts'
import { Bag } from './bag.ts'
import type { Circuit } from './circuit.ts'
import { type Concurrency, verdictOfAll } from './concurrency.ts'
import { Deadlines } from './deadlines.ts'
import { type Ending, holdMsOf } from './ending.ts'
import type { ConsumerEvents } from './events.ts'
import type { Work } from './handler.ts'
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
const MOST_SETTLING = 512

/** How much a new duration weighs in their mean. */
const DURATION_WEIGHT = 0.1

export class Attempts<Types extends TaskTypes> {
  readonly #options: AttemptsOptions<Types>
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #deadlines: Deadlines
  readonly #side: AttemptSide
  readonly #underWay = new Bag<Attempt<Types>>()
  #settling = 0
  #releasing = 0
  /** Who waits until nothing is under way. */
  #onIdle: (() => void) | undefined
  /** Gives up settling: aborted when a stop has run out of time. */
  #giveUp = new AbortController()
  #meanMs: number | undefined

  constructor(options: AttemptsOptions<Types>) {
    this.#options = options
    const { service, clock, random, leaseMs, events, concurrency, onCharge, onHold } = options
    const onError = (error: ForebayError, retryInMs: number) => events.emit('error', { error, retryInMs })
    const onLost = (lease: Lease) => this.#leaseLost(lease)
    const leases = () => this.#underWay.all().flatMap(({ held }) => held)
    this.#heartbeat = new Heartbeat({ service, clock, leaseMs, leases, onLost, onError })
    this.#deadlines = new Deadlines(clock, () => this.#underWay.all())
    this.#settler = new Settler(service, clock, random, onError)
    const samples = { clock, concurrency, inFlight: () => this.size, onHold }
    this.#side = { extend: (held, ms) => this.#heartbeat.extend(held, ms), charge: onCharge, samples }
  }

  /** How many run now. */
  get size(): number {
    return this.#underWay.size - this.#settling
  }

  /** How many more may begin before outcomes must be stored. */
  get room(): number {
    return MOST_SETTLING - this.#settling
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
    if (ending) void this.#endUnstarted(held, ending)
    return ending !== undefined
  }

  /** Gives a claim back that has not started. */
  release(held: Held): void {
    void this.#endUnstarted(held, { outcome: 'release', delayMs: 0 })
  }

  start(held: readonly Held[]): void {
    const { settings, clock, circuit, events } = this.#options
    const now = clock.monotonic()
    const attempt = new Attempt<Types>(held, settings(), this.#side, now)
    // In the bag before it begins: a turn that its start sets off must count it.
    this.#underWay.add(attempt)
    this.#heartbeat.begin()
    this.#deadlines.begun(attempt, now)
    attempt.call = circuit.start()
    for (const { claim, since } of held) {
      events.emit('started', { task: claim.task, waitedMs: claim.waitedMs, heldMs: now - since })
    }
    void this.#run(attempt)
  }

  /** Lets what runs finish for up to `graceMs`, then tells it to end and releases what has not. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options
    const idle = this.#idle()
    if (!(await within(clock, graceMs, idle))) {
      for (const attempt of this.#underWay.all()) if (!attempt.isSettling) attempt.giveBack()
      // A second grace: the first for handlers that do not obey their signal, the other for their outcomes to be stored.
      if (!(await within(clock, 2 * ABORT_GRACE_MS, idle))) this.#giveUp.abort()
    }
    await idle
    this.#deadlines.rest()
    this.#heartbeat.end()
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve
      this.#left()
    })
  }

  /** Something is under way no more. */
  #left(): void {
    if (this.#onIdle && this.#underWay.size === 0 && this.#releasing === 0) this.#onIdle()
  }

  async #run(attempt: Attempt<Types>): Promise<void> {
    const { queue, work, circuit, onHold, onEnd } = this.#options
    const { held } = attempt
    const ended = await attempt.run(queue, work)
    const tookMs = attempt.samples.end(verdictOfAll(ended), holdMsOf(ended))
    const endings = circuit.end(attempt.call, ended, attempt.isLost, tookMs)
    const holdMs = holdMsOf(endings)
    if (holdMs > 0) onHold(holdMs)
    this.#learn(tookMs)
    attempt.isSettling = true
    this.#settling++
    const settle = (one: Held, index: number) => this.#settle(one, endings[index] as Ending, tookMs)
    const settled = held.length === 1 ? settle(held[0] as Held, 0) : Promise.all(held.map(settle))
    onEnd()
    await settled
    this.#settling--
    this.#underWay.delete(attempt)
    onEnd()
    this.#left()
  }

  #learn(durationMs: number): void {
    this.#meanMs ??= durationMs
    this.#meanMs += DURATION_WEIGHT * (durationMs - this.#meanMs)
  }

  /** Stores an ending, then tells about it. */
  async #settle(held: Held, ending: Ending, durationMs: number): Promise<void> {
    const { task } = held.claim
    if (!held.lost) {
      const settled = await this.#settler.settle(held, ending, this.#giveUp.signal)
      if (settled === 'settled') this.#tell(task, ending, durationMs)
      else {
        if (!held.lost) this.#options.events.emit('leaseLost', { task })
        held.lost = true
      }
    }
    held.over = true
  }

  async #endUnstarted(held: Held, ending: Ending): Promise<void> {
    this.#releasing++
    await this.#settle(held, ending, 0)
    this.#releasing--
    this.#left()
  }

  #tell(task: StoredTask, ending: Ending, durationMs: number): void {
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

  #leaseLost(lease: Lease): void {
    for (const attempt of this.#underWay.all()) {
      const { held } = attempt
      const lost = held.find((one) => one === lease)
      if (!lost) continue
      const { task } = lost.claim
      const message = `The lease of task ${task.id} was lost; another consumer may have it.`
      // A batch goes on for the sake of its other tasks.
      if (attempt.isLost) attempt.abort(new ForebayError('LEASE_LOST', message))
      this.#options.events.emit('leaseLost', { task })
    }
  }
}
