/**
 * `LeveledConsumer`: the consumer's side. It starts tasks at a level rate and within a limit on how many run at once.
 *
 * One function, `#turn`, owns all that decides about starts; it is synchronous and runs after every event (tasks were
 * claimed, an attempt ended, a permit fell due, the limits changed). Permit first, then task: it claims no more than may
 * start within `prefetchMs` (see permits.ts), so no task is held by a process that may not start it yet.
 *
 *     #claiming   the one claim that is under way, parked at the backend until work arrives       owner: #claim
 *     #held       claimed, waiting for their permit, in order                                     owner: #turn
 *     #running    attempts between their start and their stored outcome                           owner: #run
 *
 * States: stopped -> running <-> paused -> stopping -> stopped. Only `running` claims and starts.
 */

import type { Claim, Settlement } from '../backends/queue-service.ts'
import { type CancelTimer, type Clock, sleep } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { BreakerCall } from '../flow/breaker.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes, TaskTypes } from '../queue/task-types.ts'
import { type RandomSource, systemRandom } from '../random.ts'
import {
  ABORT_GRACE_MS,
  Attempt,
  type AttemptSettings,
  type Ending,
  endWithoutRunning,
  type Handler,
} from './attempt.ts'
import { choosePermits } from './choose-permits.ts'
import { Circuit, type StandsStill } from './circuit.ts'
import { Concurrency, type LimitEvent, verdictOf } from './concurrency.ts'
import type { ConsumerEvents, ConsumerState } from './events.ts'
import { Heartbeat, type Lease } from './heartbeat.ts'
import {
  between,
  type ConsumerLimits,
  type ConsumerOptions,
  DEFAULT_LEASE_MS,
  DEFAULT_LIMITS,
  type Limits,
  withLimits,
} from './options.ts'
import type { Permits } from './permits.ts'
import { BACKEND_BACKOFF, Settler } from './settler.ts'
import { within } from './within.ts'

/** A task whose permit turns out to be further away than this goes back to the queue, for whoever may start it sooner. */
const LONGEST_HOLD_MS = 1_000

/** While it runs it keeps the process alive, as a server does: an engine's parked claim may not. */
const KEEP_ALIVE_MS = 3_600_000

/** A parked claim asks anew this often, so that an engine that lost it is noticed. */
const PARKED_CLAIM_MS = 20_000

interface Held {
  readonly claim: Claim
  readonly lease: Lease
}

interface Running<Types extends TaskTypes> {
  readonly attempt: Attempt<Types>
  readonly done: Promise<void>
}

export class LeveledConsumer<Types extends TaskTypes = AnyTaskTypes> {
  readonly #queue: LoadLevelingQueue<Types>
  readonly #handler: Handler<Types>
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #leaseMs: number
  readonly #keepResultsMs: number
  readonly #events = new Emitter<ConsumerEvents>()
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #permits: Permits
  readonly #concurrency: Concurrency
  readonly #circuit: Circuit
  #limits: Limits
  #state: ConsumerState = 'stopped'
  #held: Held[] = []
  readonly #running = new Map<Lease, Running<Types>>()
  #claiming: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  #claimsFailed = 0
  #cancelTimer: CancelTimer | undefined
  #cancelKeepAlive: CancelTimer = () => {}
  /** Gives up settling: aborted when a stop has run out of time. */
  #giveUp = new AbortController()
  readonly #releasing = new Set<Promise<unknown>>()
  #stopping: Promise<void> | undefined
  /** Counts calls of start and stop: of two that overlap the later one wins. */
  #wish = 0

  /** @throws ForebayError INVALID_OPTION. */
  constructor(queue: LoadLevelingQueue<Types>, handler: Handler<Types>, options: ConsumerOptions = {}) {
    const { leaseMs = DEFAULT_LEASE_MS, keepResultsMs = 0 } = options
    between('leaseMs', leaseMs, 1_000, queue.service.capabilities.maxLeaseMs)
    between('keepResultsMs', keepResultsMs, 0, Number.MAX_SAFE_INTEGER)
    this.#queue = queue
    this.#handler = handler
    this.#clock = options.clock ?? queue.clock
    this.#random = options.random ?? systemRandom
    this.#leaseMs = leaseMs
    this.#keepResultsMs = keepResultsMs
    this.#limits = withLimits(DEFAULT_LIMITS, options)
    const onLimit = (event: LimitEvent) => this.#events.emit('limit', event)
    this.#concurrency = new Concurrency(this.#limits, () => this.#random.next(), onLimit)
    const onError = (error: ForebayError, retryInMs: number) => this.#events.emit('error', { error, retryInMs })
    this.#heartbeat = new Heartbeat(queue.service, this.#clock, leaseMs, {
      onLost: (lease) => this.#leaseLost(lease),
      onError,
    })
    this.#settler = new Settler(queue.service, this.#clock, this.#random, onError)
    this.#circuit = new Circuit(options.breaker ?? false, this.#clock, this.#random, (change) => {
      this.#events.emit('breaker', change)
    })
    const [clock, random, backoff, onChange] = [this.#clock, this.#random, BACKEND_BACKOFF, () => this.#turn()]
    const asking = { clock, random, backoff, onChange, onError }
    this.#permits = choosePermits(queue.service, this.#limits.flow, options.rate?.scope ?? 'queue', asking)
  }

  get state(): ConsumerState {
    return this.#state
  }

  get limits(): Limits {
    return { ...this.#limits, concurrency: this.#concurrency.limit }
  }

  /** How many attempts run now. */
  get running(): number {
    return this.#running.size
  }

  /** Why nothing starts although it runs. */
  get standsStill(): StandsStill | undefined {
    return this.#state === 'running' ? this.#circuit.standsStill : undefined
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
    this.#giveUp = new AbortController()
    this.#keepAlive()
    this.#become('running')
    this.#turn()
  }

  /** Starts nothing more until `resume`; what runs goes on. */
  pause(): void {
    if (this.#state !== 'running') return
    this.#become('paused')
    this.#letGo()
  }

  /** Goes on after a pause; the flow ramps up. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#permits.rest()
    this.#become('running')
    this.#turn()
  }

  /** Changes limits while it runs; what is not named stays. @throws ForebayError INVALID_OPTION; then nothing has changed. */
  update(limits: ConsumerLimits): void {
    this.#limits = withLimits(this.#limits, limits)
    this.#concurrency.change(this.#limits)
    this.#permits.change(this.#limits.flow, this.#clock.monotonic())
    // A claim that is under way was sized by the old limits.
    this.#claiming?.abort.abort()
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
    this.#become('stopping')
    this.#letGo()
    await this.#claiming?.done
    const idle = this.#idle()
    const inTime = await within(this.#clock, graceMs, idle)
    if (!inTime) {
      for (const { attempt } of this.#running.values()) attempt.giveBack()
      // A second grace: the first for handlers that do not obey their signal, the other for their outcomes to be stored.
      if (!(await within(this.#clock, 2 * ABORT_GRACE_MS, idle))) this.#giveUp.abort()
    }
    await idle
    this.#cancelKeepAlive()
    this.#become('stopped')
  }

  #keepAlive(): void {
    this.#cancelKeepAlive = this.#clock.after(KEEP_ALIVE_MS, () => this.#keepAlive())
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0 || this.#releasing.size > 0) {
      await Promise.all([...this.#releasing, ...[...this.#running.values()].map(({ done }) => done)])
    }
  }

  /** The one place where starts are decided. */
  #turn(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#state !== 'running') return
    const now = this.#clock.monotonic()
    // What a claim that was under way brings while the breaker is open goes back as well.
    if (this.#circuit.room(now) === 0) this.#letGo()
    while (this.#isStartable && Math.max(this.#permits.nextAt, this.#concurrency.nextStartAt) <= now) {
      const held = this.#held.shift() as Held
      this.#permits.take(now, held.claim.task.cost)
      this.#start(held)
    }
    if (this.#expectedAt > now + LONGEST_HOLD_MS) this.#releaseHeld()
    this.#permits.provide(
      this.#held.map(({ claim }) => claim.task.cost),
      now,
    )
    const wanted = this.#wanted(now)
    if (wanted > 0 && !this.#claiming) this.#claim(wanted)
    const startAt = Math.max(this.#permits.wakeAt(now), this.#concurrency.nextStartAt)
    const wakeAt = this.#isStartable ? startAt : (this.#circuit.openUntil ?? this.#nextClaimAt(now))
    if (wakeAt < Number.POSITIVE_INFINITY) this.#cancelTimer = this.#clock.after(wakeAt - now, () => this.#turn())
  }

  get #isStartable(): boolean {
    return this.#held.length > 0 && this.#slots > 0
  }

  get #slots(): number {
    return Math.min(this.#concurrency.limit - this.#running.size, this.#circuit.room(this.#clock.monotonic()))
  }

  /** When the next start is expected, by the rate and by what a quota leaves. */
  get #expectedAt(): number {
    return Math.max(this.#permits.expectedAt, this.#concurrency.nextStartAt)
  }

  /** How many tasks to claim now: what may start within the prefetch time, asked for when half of it is used up. */
  #wanted(now: number): number {
    const until = now + this.#permits.prefetchMs
    const permitted = Math.min(this.#permits.startsUntil(until, now), this.#concurrency.startsUntil(until, now))
    const startable = Math.min(this.#slots, permitted)
    return this.#held.length <= startable / 2 ? startable - this.#held.length : 0
  }

  /** When the next permit comes so near that a task should be claimed for it; Infinity if something else will wake us. */
  #nextClaimAt(now: number): number {
    if (this.#claiming || this.#slots <= this.#held.length) return Number.POSITIVE_INFINITY
    return Math.max(now, this.#expectedAt - this.#permits.prefetchMs)
  }

  #claim(max: number): void {
    const abort = new AbortController()
    const done = this.#claimed(max, abort.signal).finally(() => {
      this.#claiming = undefined
      this.#turn()
    })
    this.#claiming = { abort, done }
  }

  async #claimed(max: number, signal: AbortSignal): Promise<void> {
    const asked = this.#clock.monotonic()
    try {
      const request = { max, leaseMs: this.#leaseMs, waitMs: PARKED_CLAIM_MS, signal }
      const claims = await this.#queue.service.claim(request)
      this.#claimsFailed = 0
      for (const claim of claims) this.#receive(claim, asked)
    } catch (thrown) {
      const error = asForebayError(thrown, 'BACKEND_UNAVAILABLE')
      const retryInMs = fullJitter(++this.#claimsFailed, this.#random.next(), BACKEND_BACKOFF)
      this.#events.emit('error', { error, retryInMs })
      await sleep(this.#clock, retryInMs, signal).catch(() => undefined)
    }
  }

  #receive(claim: Claim, asked: number): void {
    const lease: Lease = { claim: { id: claim.id, token: claim.token }, endsAt: asked + this.#leaseMs, lost: false }
    const over = endWithoutRunning(claim, this.#attemptSettings())
    if (over) this.#track(this.#finish({ claim, lease }, over, 0))
    else if (this.#state === 'running') this.#held.push({ claim, lease })
    else this.#release({ claim, lease })
  }

  #start(held: Held): void {
    const extend = (ms: number) => this.#heartbeat.extend([held.lease], ms)
    const attempt = new Attempt<Types>(held.claim, this.#attemptSettings(), extend)
    this.#heartbeat.keep(held.lease)
    // In the map before it begins: a turn that its start sets off must count it.
    const entry = { attempt, done: Promise.resolve() }
    this.#running.set(held.lease, entry)
    const call = this.#circuit.start()
    this.#events.emit('started', { task: held.claim.task, waitedMs: held.claim.waitedMs })
    entry.done = this.#run(held, attempt, call)
  }

  async #run(held: Held, attempt: Attempt<Types>, call: BreakerCall | undefined): Promise<void> {
    const startedAt = this.#clock.monotonic()
    this.#concurrency.started(startedAt)
    const ended = await attempt.run(this.#queue, this.#handler)
    const at = this.#clock.monotonic()
    this.#concurrency.ended({ startedAt, at, result: verdictOf(ended), inFlight: this.#running.size })
    const ending = this.#circuit.end(call, ended, held.lease.lost, at - startedAt)
    if (ending.holdMs) this.#hold(ending.holdMs)
    if (!held.lease.lost) await this.#finish(held, ending, at - startedAt)
    this.#heartbeat.drop(held.lease)
    this.#running.delete(held.lease)
    this.#turn()
  }

  /** Stores an ending, then tells about it. */
  async #finish({ claim, lease }: Held, ending: Ending, durationMs: number): Promise<void> {
    const { holdMs: _, result, ...outcome } = ending
    const settlement = (current: Lease) => ({ ...outcome, claim: current.claim }) as Settlement
    const settled = await this.#settler.settle(lease, settlement, this.#giveUp.signal)
    const { task } = claim
    if (settled === 'stale') {
      if (!lease.lost) this.#events.emit('leaseLost', { task })
      lease.lost = true
    } else if (ending.outcome === 'complete') this.#events.emit('completed', { task, durationMs, result })
    else if (ending.outcome === 'expire') this.#events.emit('expired', { task })
    else if (ending.outcome === 'release') this.#events.emit('released', { task, delayMs: ending.delayMs })
    else if (ending.outcome === 'retry') {
      this.#events.emit('retried', { task, durationMs, delayMs: ending.delayMs, failure: ending.failure })
    } else if (ending.failure) {
      this.#events.emit('dead', { task, durationMs, reason: ending.reason, failure: ending.failure })
    }
  }

  #hold(delayMs: number): void {
    const now = this.#clock.monotonic()
    this.#permits.hold(now + delayMs, now)
    this.#events.emit('held', { delayMs })
    this.#letGo()
    this.#turn()
  }

  /** Ends the parked claim and gives back what was claimed and has not started. */
  #letGo(): void {
    this.#claiming?.abort.abort()
    this.#releaseHeld()
    this.#permits.letGo()
  }

  #releaseHeld(): void {
    for (const held of this.#held.splice(0)) this.#release(held)
  }

  #release(held: Held): void {
    this.#track(this.#finish(held, { outcome: 'release', delayMs: 0 }, 0))
  }

  #track(work: Promise<void>): void {
    this.#releasing.add(work)
    void work.finally(() => {
      this.#releasing.delete(work)
    })
  }

  #leaseLost(lease: Lease): void {
    const running = this.#running.get(lease)
    if (!running) return
    const { task } = running.attempt.claim
    running.attempt.abort(
      new ForebayError('LEASE_LOST', `The lease of task ${task.id} was lost; another consumer may have it.`),
    )
    this.#events.emit('leaseLost', { task })
  }

  #attemptSettings(): AttemptSettings {
    return { limits: this.#limits, keepResultsMs: this.#keepResultsMs, clock: this.#clock, random: this.#random }
  }

  #become(state: ConsumerState): void {
    this.#state = state
    this.#events.emit('state', { state })
  }
}
