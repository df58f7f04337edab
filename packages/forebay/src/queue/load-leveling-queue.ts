/**
 * `LoadLevelingQueue`: the producer's side. It admits tasks, groups concurrent enqueues into one durable push, and always
 * tells the truth about each: accepted, duplicate, or refused with a code.
 */

import type { DeadLetters, Depth, FoundTask, QueueService } from '../backends/queue-service.ts'
import type { SharedState } from '../backends/shared-state.ts'
import { type Clock, systemClock } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import type { StartEstimate } from '../flow/start-estimate.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import { UnderWay } from '../under-way.ts'
import { admit, type AdmissionRules, rulesOf } from './admission.ts'
import { type Candidate, type Outcome, refused } from './candidate.ts'
import { checkOptions } from './check-options.ts'
import { weightsOf } from './fair-weights.ts'
import { type QueueCounts, Tally } from './counts.ts'
import { Intake } from './intake.ts'
import { type Enqueued, type EnqueueOptions, QUEUE_DEFAULTS, type QueueEvents, type QueueOptions } from './options.ts'
import { openServices, type Services } from './open-services.ts'
import type { QueueObserver, Sending } from './observer.ts'
import { newTaskId } from './task-id.ts'
import { type AnyTaskTypes, checkPayload, type InputOf, type TaskTypes } from './task-types.ts'

/** What became of each task of `enqueueMany`. */
export type EnqueueResult = Enqueued | { readonly status: 'refused'; readonly error: ForebayError }

export class LoadLevelingQueue<Types extends TaskTypes = AnyTaskTypes> {
  readonly name: string
  /** The backend: for a `LeveledConsumer`, and for what the queue itself does not offer. */
  readonly service: QueueService
  /** The schemas of the task types; undefined if any task is taken. */
  readonly types: Types | undefined
  readonly clock: Clock
  /** Who watches it and its consumers; undefined if nobody does. */
  readonly telemetry: QueueObserver | undefined
  readonly #unwatch: (() => void) | undefined
  readonly #coordinator: QueueService | undefined
  readonly #random: RandomSource
  readonly #rules: AdmissionRules
  readonly #weightOf: (key: string) => number | undefined
  readonly #intake: Intake
  readonly #tally = new Tally()
  readonly #events = new Emitter<QueueEvents>()
  readonly #underWay = new UnderWay()
  #closed: Promise<void> | undefined

  private constructor({ spill, spilled, coordinator, ...opened }: Services, options: QueueOptions<Types>) {
    const { name = QUEUE_DEFAULTS.name, clock = systemClock, random = systemRandom, maxDepth, maxBytes } = options
    const observed = (one: QueueService) => options.telemetry?.around(one, { name, clock }) ?? one
    const service = observed(opened.service)
    this.name = name
    this.telemetry = options.telemetry
    this.#coordinator = coordinator && observed(coordinator)
    this.types = options.tasks
    this.clock = clock
    this.#random = random
    this.#weightOf = weightsOf(options.fair, service)
    this.#rules = rulesOf(service, spill, options, this.#weightOf, clock)
    this.#intake = new Intake({
      queue: name,
      service,
      bounds: { ...(maxDepth !== undefined && { maxDepth }), ...(maxBytes !== undefined && { maxBytes }) },
      overflow: options.overflow ?? 'reject',
      spill,
      spilled,
      shedLate: options.shedLate ?? false,
      expectedPerSecond: options.expectedPerSecond,
      clock,
      random,
      onReturned: ({ id, type }) => {
        this.#tally.countFromSpill('returned')
        this.#events.emit('returned', { id, type })
      },
      onExpired: (task) => {
        this.#tally.countFromSpill('expired')
        this.#events.emit('expired', { task })
      },
      onError: (error, retryInMs) => this.#events.emit('error', { error, retryInMs }),
    })
    this.service = this.#intake.service
    this.#unwatch = this.telemetry?.watchQueue(this)
  }

  /**
   * Opens a queue.
   * @param where A backend URL (`sqlite:orders.db`, `memory:`, ...) or a `QueueService` made by hand.
   * @throws ForebayError INVALID_OPTION, INVALID_URL, MISSING_PACKAGE or what the backend says (BACKEND_LOCKED, ...);
   * UNSUPPORTED if it cannot drop tasks and `overflow` asks for that, if it is to be `fair` and cannot, or if the coordinator has no atomic state either.
   */
  static async open<Types extends TaskTypes = AnyTaskTypes>(
    where: string | QueueService,
    options: QueueOptions<Types> = {},
  ): Promise<LoadLevelingQueue<Types>> {
    checkOptions(options)
    const { name = QUEUE_DEFAULTS.name, clock = systemClock, random = systemRandom } = options
    const { overflow = 'reject', fair, coordinator } = options
    const services = await openServices({ where, overflow, fair, coordinator }, { queue: name, clock, random })
    return new LoadLevelingQueue(services, options)
  }

  /**
   * Stores a task. Resolves when it is durable, as the backend's README says.
   * @throws ForebayError INVALID_TASK, INVALID_PAYLOAD, PAYLOAD_TOO_LARGE, QUEUE_FULL or TOO_LATE (with `retryAfterMs`), ... :
   * then nothing was stored; or BACKEND_UNAVAILABLE: then nobody knows, and the same `id` again makes no second task.
   */
  async enqueue(input: InputOf<Types>, options: EnqueueOptions = {}): Promise<Enqueued> {
    const sending = this.telemetry?.sending(this.name, [input])
    this.#underWay.begin()
    try {
      const result = await (sending ? this.#sendOne(sending, options) : this.#enqueueOne(input, options))
      if (result.status === 'refused') throw result.error
      return result
    } finally {
      this.#underWay.end()
    }
  }

  /** Stores many tasks, each on its own merits, in order; resolves with what became of each. */
  async enqueueMany(inputs: readonly InputOf<Types>[], options: EnqueueOptions = {}): Promise<EnqueueResult[]> {
    const sending = this.telemetry?.sending(this.name, inputs)
    this.#underWay.begin()
    try {
      return await (sending ? this.#send(sending, options) : this.#enqueueMany(inputs, options))
    } finally {
      this.#underWay.end()
    }
  }

  /**
   * When a task would start that is enqueued now: from what stands before it and the rate at which that goes away, measured
   * while estimates are asked for. Resolves with undefined if that is not known.
   */
  async estimate(task: { readonly key?: string; readonly priority?: number } = {}): Promise<StartEstimate | undefined> {
    const weight = task.key === undefined ? undefined : this.#weightOf(task.key)
    const newcomer = {
      priority: task.priority ?? 0,
      ...(task.key !== undefined && { key: task.key }),
      ...(weight !== undefined && { weight }),
    }
    await this.#intake.estimates.prepare([newcomer])
    return this.#intake.estimates.of(newcomer)
  }

  /** What all consumers keep together: the coordinator's, or else the backend's own; undefined if there is neither. */
  get shared(): SharedState | undefined {
    return (this.#coordinator ?? this.service).shared
  }

  /** How full the queue is, without what lies in its spill. */
  depth(): Promise<Depth> {
    return this.service.depth()
  }

  /** How much lies in the spill; undefined if the queue has none. */
  async spilled(): Promise<Depth | undefined> {
    return this.#intake.spill?.depth()
  }

  /** How many tasks wait for room now, in this process, with `overflow: wait`. */
  get waiting(): number {
    return this.#intake.waiting
  }

  /**
   * What is known of a task: undefined once it is completed and no result is kept. One that lies in the spill is `delayed`.
   * Rejects with UNSUPPORTED where the backend cannot look up.
   */
  async find(id: string): Promise<FoundTask | undefined> {
    if (!this.service.capabilities.find) {
      throw new ForebayError('UNSUPPORTED', `The ${this.service.backend} backend cannot look up a task by its id.`)
    }
    // In this order: on its way back it is in both for a moment, and never in neither.
    const spilled = await this.#intake.spill?.find(id)
    if (spilled) return spilled
    const [found] = await this.service.find([id])
    return found
  }

  get dead(): DeadLetters {
    return this.service.dead
  }

  /** What became of the tasks that this object was handed. */
  get counts(): QueueCounts {
    return this.#tally.counts
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof QueueEvents>(name: Name, listener: Listener<QueueEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Ends the waits for room with QUEUE_CLOSED; a full queue refuses at once from now on. `close` does this too. */
  endWaits(): void {
    this.#intake.endWaits()
  }

  /** Ends waits for room with QUEUE_CLOSED, waits for enqueues that are under way, lets go of all backends. Works twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.endWaits()
    await this.#underWay.idle()
    await this.#intake.close()
    await Promise.all([this.service.close(), this.#coordinator?.close()])
    this.#unwatch?.()
  }

  async #sendOne(sending: Sending, options: EnqueueOptions): Promise<EnqueueResult> {
    const [result] = await this.#send(sending, options)
    return result as EnqueueResult
  }

  async #send(sending: Sending, options: EnqueueOptions): Promise<EnqueueResult[]> {
    const results = await this.#enqueueMany(sending.inputs as readonly InputOf<Types>[], options)
    sending.end(results)
    return results
  }

  /** Without a validator, which may take its time, there is no promise on the way to the intake: each costs a small task dearly. */
  #enqueueOne(input: InputOf<Types>, options: EnqueueOptions): EnqueueResult | Promise<EnqueueResult> {
    const admitted = this.types ? this.#admitTyped(this.types, input, options) : this.#admit(input, options)
    const store = (one: Candidate | ForebayError) => this.#stored(input, one, this.#storing([one], options))
    return admitted instanceof Promise ? admitted.then(store) : store(admitted)
  }

  async #enqueueMany(inputs: readonly InputOf<Types>[], options: EnqueueOptions): Promise<EnqueueResult[]> {
    const { types } = this
    // All are admitted before the first is stored, so that a slow validator does not change their order.
    const admitted = types
      ? await Promise.all(inputs.map((input) => this.#admitTyped(types, input, options)))
      : inputs.map((input) => this.#admit(input, options))
    const store = this.#storing(admitted, options)
    return Promise.all(inputs.map((input, index) => this.#stored(input, admitted[index] as Candidate, store)))
  }

  async #admitTyped(types: Types, input: InputOf<Types>, options: EnqueueOptions): Promise<Candidate | ForebayError> {
    const admitted = this.#admit(input, options)
    if (admitted instanceof ForebayError) return admitted
    try {
      await checkPayload(types, input.type, input.payload)
      return admitted
    } catch (thrown) {
      return asForebayError(thrown)
    }
  }

  #admit(input: InputOf<Types>, options: EnqueueOptions): Candidate | ForebayError {
    try {
      if (this.#closed)
        throw new ForebayError('QUEUE_CLOSED', `Queue "${this.name}" is closed. The task was not stored.`)
      if (options.transaction !== undefined && !this.#rules.capabilities.transactions) {
        const message = `The ${this.#rules.backend} backend cannot store a task within your own transaction. Nothing was stored; postgres can.`
        throw new ForebayError('UNSUPPORTED', message, { path: 'transaction' })
      }
      const task = admit(input, () => newTaskId(this.clock, this.#random), this.#rules)
      return { input, task, wantsEstimate: options.estimate ?? false }
    } catch (thrown) {
      return asForebayError(thrown)
    }
  }

  /** How each of them is stored: with whatever else comes now, or all at once within the producer's own transaction. */
  #storing(
    admitted: readonly (Candidate | ForebayError)[],
    { transaction }: EnqueueOptions,
  ): (candidate: Candidate) => Promise<Outcome> {
    if (transaction === undefined) return (candidate) => this.#intake.add(candidate)
    const candidates = admitted.filter((one): one is Candidate => !(one instanceof ForebayError))
    const outcomes = this.#intake.addWithin(candidates, transaction)
    return (candidate) => outcomes.then((all) => all[candidates.indexOf(candidate)] as Outcome)
  }

  #stored(
    input: InputOf<Types>,
    one: Candidate | ForebayError,
    store: (candidate: Candidate) => Promise<Outcome>,
  ): EnqueueResult | Promise<EnqueueResult> {
    if (one instanceof ForebayError) return this.#told(String(input?.type), refused(one))
    const { type } = one.task
    return store(one).then(
      (outcome) => this.#told(type, outcome),
      (thrown) => this.#told(type, refused(asForebayError(thrown, 'BACKEND_UNAVAILABLE'))),
    )
  }

  /** Counts and tells what became of a task. */
  #told(type: string, outcome: Outcome): EnqueueResult {
    this.#tally.count(outcome)
    const { waitedMs } = outcome
    if (waitedMs !== undefined) this.#events.emit('waited', { type, waitedMs })
    if (outcome.status === 'refused') {
      const { error } = outcome
      this.#events.emit('refused', { type, code: error.code, retryAfterMs: error.retryAfterMs })
      return { status: 'refused', error }
    }
    const { id, status } = outcome
    this.#events.emit(status, { id, type })
    if (status === 'accepted' && outcome.spilled) this.#events.emit('spilled', { id, type })
    if (status === 'accepted')
      for (const gone of outcome.dropped ?? []) this.#events.emit('dropped', { id: gone, by: id })
    return outcome
  }
}
