/**
 * `LeveledConsumer`: the consumer's side. It starts tasks at a level rate and within a limit on how many run at once.
 *
 * One function, `#turn`, owns all that decides about starts; it is synchronous and runs after every event (tasks were
 * claimed, an attempt ended, a permit fell due, the limits changed). Permit first, then task: it claims no more than may
 * start within the prefetch time (see gate.ts, permits.ts), so no task is held by a process that may not start it yet.
 *
 *     #claimer     the one claim that is under way, parked at the backend until work arrives
 *     #held        claimed, waiting for their permit, in order
 *     #attempts    what runs, until its outcome is stored
 *
 * States: stopped -> running <-> paused -> stopping -> stopped. Only `running` claims and starts.
 */

import type { Claim } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import type { BreakerState } from '../flow/breaker.ts'
import { type EffectiveRate, effectiveRate } from '../flow/effective-rate.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes, TaskTypes } from '../queue/task-types.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import { Alarm } from './alarm.ts'
import { Attempts } from './attempts.ts'
import { between, checkKeepsResults } from './bounds.ts'
import { checkRate, choosePermits } from './choose-permits.ts'
import { chooseSlots } from './choose-slots.ts'
import { Circuit, type StandsStill } from './circuit.ts'
import { Claimer } from './claimer.ts'
import { Concurrency } from './concurrency.ts'
import type { ConsumerEvents, ConsumerState } from './events.ts'
import { Gate } from './gate.ts'
import { type Batch, type Handler, type Work, workOf } from './handler.ts'
import { costOf, HeldTasks } from './held-tasks.ts'
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

/** A task that could have started but for a permit or a slot and has waited longer than this goes back, for whoever may start it sooner. */
const LONGEST_HOLD_MS = 1_000

/** While it runs it keeps the process alive, as a server does: an engine's parked claim may not. */
const KEEP_ALIVE_MS = 3_600_000

/** No more are asked for at once, so that the first ones run while the next ones are on their way. */
const MOST_CLAIMED = 500

/** A parked claim asks anew this often, so that an engine that lost it is noticed. */
const PARKED_CLAIM_MS = 20_000

export class LeveledConsumer<Types extends TaskTypes = AnyTaskTypes> {
  readonly #queue: LoadLevelingQueue<Types>
  readonly #work: Work<Types>
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #leaseMs: number
  readonly #events = new Emitter<ConsumerEvents>()
  readonly #permits: Permits
  readonly #concurrency: Concurrency
  readonly #circuit: Circuit
  readonly #gate: Gate
  readonly #claimer: Claimer
  #slots: Slots | undefined
  #limits: Limits
  readonly #rateScope: 'queue' | 'process'
  #state: ConsumerState = 'stopped'
  readonly #held: HeldTasks
  readonly #schedule: LimitSchedule
  readonly #attempts: Attempts<Types>
  #heldUntil = Number.NEGATIVE_INFINITY
  readonly #alarm: Alarm
  #cancelKeepAlive: CancelTimer = () => {}
  #stopping: Promise<void> | undefined
  #isTurnDue = false
  readonly #turnNow = () => {
    this.#isTurnDue = false
    this.#turn()
  }
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
    this.#held = new HeldTasks(this.#work)
    this.#alarm = new Alarm(this.#clock, () => this.#turn())
    this.#random = options.random ?? systemRandom
    this.#leaseMs = leaseMs
    this.#limits = withLimits(DEFAULT_LIMITS, options)
    const [clock, random, onTurn] = [this.#clock, this.#random, () => this.#turn()]
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
      onEnd: () => this.#turnSoon(),
    })
    this.#gate = new Gate({
      permits: this.#permits,
      concurrency: this.#concurrency,
      circuit: this.#circuit,
      attempts: this.#attempts,
      slots: () => this.#slots,
    })
    const onClaims = (claims: readonly Claim[], asked: number) => {
      const now = clock.monotonic()
      for (const claim of claims) this.#receive(claim, asked, now)
    }
    const ask = (max: number, signal: AbortSignal) => this.#ask(max, signal)
    this.#claimer = new Claimer({ clock, random, ask, onClaims, onError, onOver: onTurn })
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
    this.#turn()
  }

  /** Starts nothing more until `resume`; what runs goes on. */
  pause(): void {
    if (this.#state !== 'running') return
    this.#become('paused')
    this.#letGo()
    this.#turn()
  }

  /** Goes on after a pause; the flow ramps up. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#permits.rest()
    this.#become('running')
    this.#turn()
  }

  /** Changes limits while it runs; what is not named stays. @throws ForebayError INVALID_OPTION, UNSUPPORTED; then nothing has changed. */
  update(limits: ConsumerLimits): void {
    const next = withLimits(this.#limits, limits)
    checkRate(this.#queue, next.flow, this.#rateScope)
    this.#slots = chooseSlots(this.#queue, this.#slots, next, {
      clock: this.#clock,
      random: this.#random,
      onChange: () => this.#turn(),
      onError: (error, retryInMs) => this.#events.emit('error', { error, retryInMs }),
    })
    this.#limits = next
    this.#concurrency.change(this.#limits)
    this.#permits.change(this.#limits.flow, this.#clock.monotonic())
    // A claim that is under way was sized by the old limits.
    this.#claimer.abort()
    this.#turn()
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
    this.#letGo()
    this.#turn()
    await this.#claimer.idle()
    await this.#attempts.stop(graceMs)
    this.#alarm.cancel()
    await this.#slots?.leave()
    this.#cancelKeepAlive()
    this.#become('stopped')
  }

  #keepAlive(): void {
    this.#cancelKeepAlive = this.#clock.after(KEEP_ALIVE_MS, () => this.#keepAlive())
  }

  /** Attempts that end together, and outcomes that are stored together, need one turn. */
  #turnSoon(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    queueMicrotask(this.#turnNow)
  }

  /** The one place where starts are decided. */
  #turn(): void {
    if (this.#state === 'stopped') {
      this.#alarm.cancel()
      return
    }
    const now = this.#clock.monotonic()
    if (this.#state === 'running') this.#startAndClaim(now)
    // Also while it stands still: what runs keeps its slots.
    this.#slots?.tell(this.#attempts.size, this.#wishedRunning(now), now)
    this.#alarm.set(this.#wakeAt(now), now)
  }

  #startAndClaim(now: number): void {
    // What a claim that was under way brings while the breaker is open goes back as well.
    if (this.#gate.isShut(now)) this.#letGo()
    while (this.#held.readyAt <= now && this.#gate.room(now) > 0 && this.#gate.nextAt <= now) {
      const held = this.#held.take()
      this.#permits.take(now, costOf(held))
      this.#attempts.start(held)
    }
    if (this.#isHeldInVain(now)) this.#releaseHeld()
    this.#permits.provide(this.#held.attempts, (from) => this.#held.costs(from), now)
    const wanted = this.#wanted(now)
    if (wanted > 0 && !this.#claimer.isUnderWay) this.#claimer.claim(wanted)
  }

  #isHeldInVain(now: number): boolean {
    if (this.#gate.expectedAt > now + LONGEST_HOLD_MS) return true
    return this.#gate.room(now) === 0 && this.#held.waitingSince + LONGEST_HOLD_MS <= now
  }

  /** How many tasks to claim now: for what may start within the prefetch time, asked for when half of them are used up. */
  #wanted(now: number): number {
    const capacity = this.#gate.claimable(now) * this.#work.maxTasks
    const isLow = this.#held.size <= capacity / 2 || this.#held.hasRoom
    const most = Math.max(MOST_CLAIMED, this.#work.maxTasks)
    return isLow ? Math.min(most, Math.max(0, capacity - this.#held.size)) : 0
  }

  /** How many attempts would run if there were slots for them: all that it may while more tasks wait in the queue. */
  #wishedRunning(now: number): number {
    if (this.#state !== 'running') return this.#attempts.size
    if (now < this.#claimer.filledUntil) return this.#concurrency.limit
    return Math.min(this.#concurrency.limit, this.#attempts.size + this.#held.attempts)
  }

  #wakeAt(now: number): number {
    const slotsAt = this.#slotsWakeAt(now)
    if (this.#state !== 'running') return slotsAt
    if (this.#held.size === 0) {
      const claimAt = this.#claimer.isUnderWay ? Number.POSITIVE_INFINITY : this.#gate.claimAt(0, now)
      return Math.min(slotsAt, claimAt)
    }
    const hasRoom = this.#gate.room(now) > 0
    const startAt = Math.max(this.#gate.wakeAt(now), this.#held.readyAt)
    return Math.min(slotsAt, hasRoom ? startAt : this.#held.waitingSince + LONGEST_HOLD_MS)
  }

  #slotsWakeAt(now: number): number {
    if (!this.#slots) return Number.POSITIVE_INFINITY
    const wakeAt = this.#slots.wakeAt(this.#attempts.size, this.#wishedRunning(now))
    const { filledUntil } = this.#claimer
    return filledUntil > now ? Math.min(wakeAt, filledUntil) : wakeAt
  }

  #ask(max: number, signal: AbortSignal): Promise<Claim[]> {
    const { perKey } = this.#limits
    const request = { max, leaseMs: this.#leaseMs, waitMs: PARKED_CLAIM_MS, signal }
    return this.#queue.service.claim(perKey ? { ...request, perKey } : request)
  }

  #receive(claim: Claim, asked: number, now: number): void {
    const held = { claim, since: now, ref: claim, endsAt: asked + this.#leaseMs, lost: false, over: false }
    if (this.#attempts.endedWithoutRunning(held)) return
    if (this.#state === 'running') this.#held.add(held)
    else this.#attempts.release(held)
  }

  #hold(delayMs: number): void {
    const now = this.#clock.monotonic()
    this.#heldUntil = Math.max(this.#heldUntil, now + delayMs)
    this.#permits.hold(now + delayMs, now)
    this.#events.emit('held', { delayMs })
    this.#letGo()
    this.#turn()
  }

  /** Ends the parked claim and gives back what was claimed and has not started. */
  #letGo(): void {
    this.#claimer.abort()
    this.#releaseHeld()
    this.#permits.letGo()
  }

  #releaseHeld(): void {
    for (const held of this.#held.takeAll()) this.#attempts.release(held)
  }

  #become(state: ConsumerState): void {
    this.#state = state
    this.#events.emit('state', { state })
  }
}
