/**
 * `LeveledConsumer`: the consumer's side. It starts tasks at a level rate and within a limit on how many run at once.
 *
 *     #starts      claims tasks and begins attempts, as rate, limits and breaker allow
 *     #attempts    what runs, until its outcome is stored
 *     #schedule    which limits hold when
 *
 * States: stopped -> running <-> paused -> stopping -> stopped. Only `running` claims and starts.
 */

import type { CancelTimer, Clock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import type { BreakerState } from '../flow/breaker.ts'
import { type EffectiveRate, effectiveRate } from '../flow/effective-rate.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes, TaskTypes } from '../queue/task-types.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import { Attempts } from './attempts.ts'
import { between, checkKeepsResults } from './bounds.ts'
import { checkRate, choosePermits } from './choose-permits.ts'
import { chooseSlots } from './choose-slots.ts'
import { Circuit, type StandsStill } from './circuit.ts'
import { Concurrency } from './concurrency.ts'
import type { ConsumerEvents, ConsumerState } from './events.ts'
import { type Batch, type Handler, type Work, workOf } from './handler.ts'
import { compose, scopeOf } from './middleware/compose.ts'
import { observedHandler, observerOf } from './observer.ts'
import {
  type ConsumerLimits,
  type ConsumerOptions,
  DEFAULT_LEASE_MS,
  DEFAULT_LIMITS,
  type Limits,
  withLimits,
} from './options.ts'
import type { Permits } from './permits.ts'
import { LimitSchedule } from './schedule.ts'
import { BACKEND_BACKOFF } from './settler.ts'
import type { Slots } from './slots.ts'
import { Starts } from './starts.ts'

/** While it runs it keeps the process alive, as a server does: an engine's parked claim may not. */
const KEEP_ALIVE_MS = 3_600_000

export class LeveledConsumer<Types extends TaskTypes = AnyTaskTypes> {
  readonly #queue: LoadLevelingQueue<Types>
  readonly #work: Work<Types>
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #events = new Emitter<ConsumerEvents>()
  readonly #permits: Permits
  readonly #concurrency: Concurrency
  readonly #circuit: Circuit
  #slots: Slots | undefined
  #limits: Limits
  readonly #rateScope: 'queue' | 'process'
  #state: ConsumerState = 'stopped'
  readonly #schedule: LimitSchedule
  readonly #attempts: Attempts<Types>
  readonly #starts: Starts<Types>
  #heldUntil = Number.NEGATIVE_INFINITY
  #cancelKeepAlive: CancelTimer = () => {}
  #stopping: Promise<void> | undefined
  /** Counts calls of start and stop: of two that overlap the later one wins. */
  #wish = 0

  /**
   * @param handler Does the work of one task, or of several at once: `batch(handler, { maxTasks })`.
   * @throws ForebayError INVALID_OPTION, UNSUPPORTED.
   */
  constructor(
    queue: LoadLevelingQueue<Types>,
    handler: Handler<Types> | Batch<Types>,
    options: ConsumerOptions<NoInfer<Types>> = {},
  ) {
    const { leaseMs = DEFAULT_LEASE_MS, keepResultsMs = 0 } = options
    between('leaseMs', leaseMs, 1_000, queue.service.capabilities.maxLeaseMs)
    between('keepResultsMs', keepResultsMs, 0, Number.MAX_SAFE_INTEGER)
    if (keepResultsMs > 0) checkKeepsResults(queue.service)
    this.#queue = queue
    this.#clock = options.clock ?? queue.clock
    const scope = scopeOf(queue, this.#clock)
    const observer = observerOf(queue)
    const composed = compose(options.use, handler, scope)
    this.#work = workOf(observer ? observedHandler(composed, observer, scope) : composed)
    // Tasks that wait for their batch to fill have no heartbeat yet.
    if (this.#work.maxTasks > 1) between('maxWaitMs', this.#work.maxWaitMs, 0, leaseMs / 2)
    this.#random = options.random ?? systemRandom
    this.#limits = withLimits(DEFAULT_LIMITS, options)
    const [clock, random, onTurn] = [this.#clock, this.#random, () => this.#starts.turn()]
    const onError = (error: ForebayError, retryInMs: number) => this.#events.emit('error', { error, retryInMs })
    const asking = { clock, random, backoff: BACKEND_BACKOFF, onChange: onTurn, onError }
    this.#concurrency = new Concurrency(
      this.#limits,
      () => random.next(),
      (event) => this.#events.emit('limit', event),
    )
    this.#circuit = new Circuit(options.breaker ?? false, clock, random, (change) => {
      this.#events.emit('breaker', change)
    })
    this.#rateScope = options.rate?.scope ?? 'queue'
    this.#permits = choosePermits(queue, this.#limits.flow, this.#rateScope, asking)
    this.#slots = chooseSlots(queue, undefined, this.#limits, asking)
    this.#attempts = new Attempts({
      queue,
      service: queue.service,
      work: this.#work,
      clock,
      random,
      leaseMs,
      events: this.#events,
      concurrency: this.#concurrency,
      circuit: this.#circuit,
      settings: () => ({ limits: this.#limits, keepResultsMs, clock, random }),
      onCharge: (cost) => this.#permits.charge(cost, clock.monotonic()),
      onHold: (delayMs) => this.#hold(delayMs),
      onEnd: () => this.#starts.turnSoon(),
    })
    this.#starts = new Starts({
      queue,
      work: this.#work,
      clock,
      random,
      leaseMs,
      permits: this.#permits,
      concurrency: this.#concurrency,
      circuit: this.#circuit,
      attempts: this.#attempts,
      slots: () => this.#slots,
      state: () => this.#state,
      limits: () => this.#limits,
      onError,
    })
    this.#schedule = new LimitSchedule(options.schedule, {
      own: options,
      clock,
      check: (limits) => {
        checkRate(queue, limits.flow, this.#rateScope)
        chooseSlots(queue, undefined, limits, asking)
      },
      apply: (limits, event) => {
        this.update(limits)
        this.#events.emit('schedule', event)
      },
    })
    observer?.watchConsumer(this, queue.name)
  }

  get state(): ConsumerState {
    return this.#state
  }

  get limits(): Limits {
    return { ...this.#limits, concurrency: this.#concurrency.limit }
  }

  /** How many attempts run now. */
  get running(): number {
    return this.#attempts.size
  }

  /** Why nothing starts although it runs. */
  get standsStill(): StandsStill | undefined {
    return this.#state === 'running' ? this.#circuit.standsStill : undefined
  }

  /** The state of the circuit breaker; undefined without one. */
  get breaker(): BreakerState | undefined {
    return this.#circuit.state
  }

  /** How often tasks can start now, and what bounds it: the configured rate, or what limit, quota, breaker or a hold leave of it. */
  get effectiveRate(): EffectiveRate {
    const now = this.#clock.monotonic()
    return effectiveRate({
      isPaused: this.#state !== 'running',
      isBroken: this.#circuit.isBroken,
      isHeld: now < this.#heldUntil,
      limits: this.#limits.flow.limits,
      pacePerSecond: this.#concurrency.pacePerSecond(now),
      limit: Math.min(this.#concurrency.limit, this.#slots?.allowed(now) ?? Number.POSITIVE_INFINITY),
      latencyMs: this.#attempts.meanMs,
    })
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof ConsumerEvents>(name: Name, listener: Listener<ConsumerEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Begins to claim and run tasks. Harmless when it runs already; after a stop it starts anew. */
  async start(): Promise<void> {
    const wish = ++this.#wish
    if (this.#stopping) await this.#stopping
    // A stop that was asked for meanwhile is the later wish, and stands.
    if (this.#state !== 'stopped' || wish !== this.#wish) return
    this.#attempts.open()
    this.#keepAlive()
    this.#schedule.start()
    this.#become('running')
    this.#starts.turn()
  }

  /** Starts nothing more until `resume`; what runs goes on. */
  pause(): void {
    if (this.#state !== 'running') return
    this.#become('paused')
    this.#starts.letGo()
    this.#starts.turn()
  }

  /** Goes on after a pause; the flow ramps up. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#permits.rest()
    this.#become('running')
    this.#starts.turn()
  }

  /** Changes limits while it runs; what is not named stays. @throws ForebayError INVALID_OPTION, UNSUPPORTED; then nothing has changed. */
  update(limits: ConsumerLimits): void {
    const next = withLimits(this.#limits, limits)
    checkRate(this.#queue, next.flow, this.#rateScope)
    this.#slots = chooseSlots(this.#queue, this.#slots, next, {
      clock: this.#clock,
      random: this.#random,
      onChange: () => this.#starts.turn(),
      onError: (error, retryInMs) => this.#events.emit('error', { error, retryInMs }),
    })
    this.#limits = next
    this.#concurrency.change(this.#limits)
    this.#permits.change(this.#limits.flow, this.#clock.monotonic())
    this.#starts.claimAnew()
    this.#starts.turn()
  }

  /**
   * Ends claiming, lets running tasks finish for up to `graceMs` (default 10,000), then tells them to end and releases what
   * has not. Afterwards nothing of it runs. Works twice, before `start` and during it.
   */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#wish++
    if (this.#state === 'stopped') return Promise.resolve()
    this.#stopping ??= this.#stop(options.graceMs ?? 10_000).finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async #stop(graceMs: number): Promise<void> {
    this.#schedule.stop()
    this.#become('stopping')
    this.#starts.letGo()
    this.#starts.turn()
    await this.#starts.idle()
    await this.#attempts.stop(graceMs)
    await this.#slots?.leave()
    this.#cancelKeepAlive()
    this.#become('stopped')
    this.#starts.turn()
  }

  #keepAlive(): void {
    this.#cancelKeepAlive = this.#clock.after(KEEP_ALIVE_MS, () => this.#keepAlive())
  }

  #hold(delayMs: number): void {
    const now = this.#clock.monotonic()
    this.#heldUntil = Math.max(this.#heldUntil, now + delayMs)
    this.#permits.hold(now + delayMs, now)
    this.#events.emit('held', { delayMs })
    this.#starts.letGo()
    this.#starts.turn()
  }

  #become(state: ConsumerState): void {
    this.#state = state
    this.#events.emit('state', { state })
  }
}
