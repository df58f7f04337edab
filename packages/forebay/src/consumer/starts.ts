/**
 * Starts: decides when the consumer claims tasks and when their attempts begin.
 *
 * One function, `turn`, owns all of it; it is synchronous and runs after every event (tasks were claimed, an attempt ended, a
 * permit fell due, the limits changed). Permit first, then task: it claims no more than may start within the prefetch time (see
 * gate.ts, permits.ts), so no task is held by a process that may not start it yet.
 *
 *     #claimer    the one claim that is under way, parked at the backend until work arrives
 *     #held       claimed, waiting for their permit, in order
 *     #gate       may one start now, and when may the next?
 */

import type { Claim } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { RandomSource } from '../random.ts'
import { Alarm } from './alarm.ts'
import type { Attempts } from './attempts.ts'
import type { Circuit } from './circuit.ts'
import { Claimer } from './claimer.ts'
import type { Concurrency } from './concurrency.ts'
import type { ConsumerState } from './events.ts'
import { Gate } from './gate.ts'
import type { Work } from './handler.ts'
import { costOf, HeldTasks } from './held-tasks.ts'
import type { Limits } from './options.ts'
import type { Permits } from './permits.ts'
import type { Slots } from './slots.ts'

export interface StartsOptions<Types extends TaskTypes> {
  readonly queue: LoadLevelingQueue<Types>
  readonly work: Work<Types>
  readonly clock: Clock
  readonly random: RandomSource
  readonly leaseMs: number
  readonly permits: Permits
  readonly concurrency: Concurrency
  readonly circuit: Circuit
  readonly attempts: Attempts<Types>
  /** Undefined where the limit on concurrency is this consumer's own. */
  readonly slots: () => Slots | undefined
  /** Only `running` claims and starts. */
  readonly state: () => ConsumerState
  readonly limits: () => Limits
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

/** A task that could have started but for a permit or a slot and has waited longer than this goes back, for whoever may start it sooner. */
const LONGEST_HOLD_MS = 1_000

/** No more are asked for at once, so that the first ones run while the next ones are on their way. */
const MOST_CLAIMED = 500

/** A parked claim asks anew this often, so that an engine that lost it is noticed. */
const PARKED_CLAIM_MS = 20_000

export class Starts<Types extends TaskTypes> {
  readonly #options: StartsOptions<Types>
  readonly #gate: Gate
  readonly #claimer: Claimer
  readonly #held: HeldTasks
  readonly #alarm: Alarm
  #isTurnDue = false
  readonly #turnNow = () => {
    this.#isTurnDue = false
    this.turn()
  }

  constructor(options: StartsOptions<Types>) {
    this.#options = options
    const { work, clock, random, permits, concurrency, circuit, attempts, slots, onError } = options
    this.#held = new HeldTasks(work)
    this.#alarm = new Alarm(clock, () => this.turn())
    this.#gate = new Gate({ permits, concurrency, circuit, attempts, slots })
    const onClaims = (claims: readonly Claim[], asked: number) => {
      const now = clock.monotonic()
      for (const claim of claims) this.#receive(claim, asked, now)
    }
    const ask = (max: number, signal: AbortSignal) => this.#ask(max, signal)
    this.#claimer = new Claimer({ clock, random, ask, onClaims, onError, onOver: () => this.turn() })
  }

  /** A claim that is under way was sized by limits that hold no more. */
  claimAnew(): void {
    this.#claimer.abort()
  }

  /** Ends the parked claim and gives back what was claimed and has not started. */
  letGo(): void {
    this.#claimer.abort()
    this.#releaseHeld()
    this.#options.permits.letGo()
  }

  /** Resolves when no claim is under way. */
  async idle(): Promise<void> {
    await this.#claimer.idle()
  }

  /** Attempts that end together, and outcomes that are stored together, need one turn. */
  turnSoon(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    queueMicrotask(this.#turnNow)
  }

  /** The one place where starts are decided. */
  turn(): void {
    const { clock, attempts, slots, state } = this.#options
    if (state() === 'stopped') {
      this.#alarm.cancel()
      return
    }
    const now = clock.monotonic()
    if (this.#isRunning) this.#startAndClaim(now)
    // Also while it stands still: what runs keeps its slots.
    slots()?.tell(attempts.size, this.#wishedRunning(now), now)
    this.#alarm.set(this.#wakeAt(now), now)
  }

  #startAndClaim(now: number): void {
    // What a claim that was under way brings while the breaker is open goes back as well.
    if (this.#gate.isShut(now)) this.letGo()
    while (this.#held.readyAt <= now && this.#gate.room(now) > 0 && this.#gate.nextAt <= now) {
      const held = this.#held.take()
      this.#options.permits.take(now, costOf(held))
      this.#options.attempts.start(held)
    }
    if (this.#isHeldInVain(now)) this.#releaseHeld()
    this.#options.permits.provide(this.#held.attempts, (from) => this.#held.costs(from), now)
    const wanted = this.#wanted(now)
    if (wanted > 0 && !this.#claimer.isUnderWay) this.#claimer.claim(wanted)
  }

  #isHeldInVain(now: number): boolean {
    if (this.#gate.expectedAt > now + LONGEST_HOLD_MS) return true
    return this.#gate.room(now) === 0 && this.#held.waitingSince + LONGEST_HOLD_MS <= now
  }

  /** How many tasks to claim now: for what may start within the prefetch time, asked for when half of them are used up. */
  #wanted(now: number): number {
    const capacity = this.#gate.claimable(now) * this.#options.work.maxTasks
    const isLow = this.#held.size <= capacity / 2 || this.#held.hasRoom
    const most = Math.max(MOST_CLAIMED, this.#options.work.maxTasks)
    return isLow ? Math.min(most, Math.max(0, capacity - this.#held.size)) : 0
  }

  /** How many attempts would run if there were slots for them: all that it may while more tasks wait in the queue. */
  #wishedRunning(now: number): number {
    if (!this.#isRunning) return this.#options.attempts.size
    if (now < this.#claimer.filledUntil) return this.#options.concurrency.limit
    return Math.min(this.#options.concurrency.limit, this.#options.attempts.size + this.#held.attempts)
  }

  #wakeAt(now: number): number {
    const slotsAt = this.#slotsWakeAt(now)
    if (!this.#isRunning) return slotsAt
    if (this.#held.size === 0) {
      const claimAt = this.#claimer.isUnderWay ? Number.POSITIVE_INFINITY : this.#gate.claimAt(0, now)
      return Math.min(slotsAt, claimAt)
    }
    const hasRoom = this.#gate.room(now) > 0
    const startAt = Math.max(this.#gate.wakeAt(now), this.#held.readyAt)
    return Math.min(slotsAt, hasRoom ? startAt : this.#held.waitingSince + LONGEST_HOLD_MS)
  }

  #slotsWakeAt(now: number): number {
    const slots = this.#options.slots()
    if (!slots) return Number.POSITIVE_INFINITY
    const wakeAt = slots.wakeAt(this.#options.attempts.size, this.#wishedRunning(now))
    const { filledUntil } = this.#claimer
    return filledUntil > now ? Math.min(wakeAt, filledUntil) : wakeAt
  }

  #ask(max: number, signal: AbortSignal): Promise<Claim[]> {
    const { perKey } = this.#options.limits()
    const request = { max, leaseMs: this.#options.leaseMs, waitMs: PARKED_CLAIM_MS, signal }
    return this.#options.queue.service.claim(perKey ? { ...request, perKey } : request)
  }

  #receive(claim: Claim, asked: number, now: number): void {
    const held = { claim, since: now, ref: claim, endsAt: asked + this.#options.leaseMs, lost: false, over: false }
    if (this.#options.attempts.endedWithoutRunning(held)) return
    if (this.#isRunning) this.#held.add(held)
    else this.#options.attempts.release(held)
  }

  #releaseHeld(): void {
    for (const held of this.#held.takeAll()) this.#options.attempts.release(held)
  }

  get #isRunning(): boolean {
    return this.#options.state() === 'running'
  }
}
