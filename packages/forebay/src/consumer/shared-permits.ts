/**
 * Permits from a rate that all consumers of the queue share. Slots are reserved in batches for tasks that are claimed, so
 * that no slot goes to a process that has nothing to start.
 *
 *     reserving   a request is under way, or waits after one that failed; its answer sets off the loop's next turn
 *     slots       reserved starts, ascending, by this process's monotonic clock, each with the cost that was reserved
 *     charge      what the tasks that started cost more than that; booked with the next reservation
 *
 * A slot is used when it has come, or a little late (see `TOLERANCE`); after that it is discarded, never used late, so that a
 * process that was blocked releases no burst. Where the engine does not know the offset between its clock and ours, it is taken
 * from the middle of the request; its error is at most half of a round trip.
 */

import type { Applied, SharedState } from '../backends/shared-state.ts'
import type { Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { type BackoffSettings, fullJitter } from '../flow/backoff.ts'
import { type FlowSettings, startsWithin } from '../flow/flow-limits.ts'
import type { ReserveStep } from '../flow/shared-flow.ts'
import type { Step } from '../flow/shared-steps.ts'
import type { RandomSource } from '../random.ts'
import { isUnlimited, type Permits } from './permits.ts'

/** So that a process needs fewer than ten reservations a second: a batch lasts for half of this, at least. */
const PREFETCH_MS = 250

/** Who was given less than it asked for, because the rate is used up or others were faster, asks again only after this. */
const ASK_AGAIN_MS = 125

/**
 * How late a slot may be used, ms: it is J in the law starts(W) <= 1 + floor(r (W + J)). Alone it is a late timer's; where
 * several processes share the rate they also share the machine's cores, and each waits longer for its turn.
 */
const TOLERANCE_MS = { alone: 4, shared: 15 } as const
/** Or half an interval where that is more: the law then still gains less than one start. */
const TOLERANCE_INTERVALS = 0.5

/** A process that shares the rate changes it more often than this, while it has tasks to start. */
const SHARED_FOR_MS = 2_000

const LEAD_WEIGHT = 0.2

/** The cell of the queue's flow. */
const CELL = 'flow'

interface Slot {
  readonly at: number
  readonly cost: number
}

export interface SharedPermitsOptions {
  readonly shared: SharedState
  readonly clock: Clock
  readonly random: RandomSource
  readonly backoff: BackoffSettings
  /** Slots came, or the next one is known. */
  readonly onChange: () => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

export class SharedPermits implements Permits {
  readonly prefetchMs = PREFETCH_MS
  readonly #options: SharedPermitsOptions
  #settings: FlowSettings
  #slots: Slot[] = []
  /** When the engine's first free slot comes, as far as we know. */
  #next = Number.NEGATIVE_INFINITY
  #waiting = 0
  #charge = 0
  /** Of the tasks that waited last. */
  #meanCost = 1
  #askAgainAt = Number.NEGATIVE_INFINITY
  #returnAgainAt = Number.NEGATIVE_INFINITY
  #failed = 0
  /** How long answers have taken to arrive, smoothed: slots that come sooner would be late before they are known. */
  #leadMs = 0
  #reserving = false
  /** Others have changed the flow of late. */
  #sharedUntil = Number.NEGATIVE_INFINITY
  #lastMark = 0
  /** Of the last reservation, for handing back: its first slot by our clock, and what it was answered with. */
  #last: { readonly from: number; readonly mark: number } | undefined

  constructor(settings: FlowSettings, options: SharedPermitsOptions) {
    this.#settings = settings
    this.#options = options
  }

  get nextAt(): number {
    if (isUnlimited(this.#settings)) return this.#next
    this.#discardLate()
    return this.#slots[0]?.at ?? Number.POSITIVE_INFINITY
  }

  get expectedAt(): number {
    return this.#slots[0]?.at ?? this.#next
  }

  wakeAt(now: number): number {
    if (isUnlimited(this.#settings) || this.#slots.length > 0) return this.nextAt
    return this.#reserving ? Number.POSITIVE_INFINITY : Math.max(now, this.#nextAskAt)
  }

  take(_now: number, cost: number): void {
    const slot = this.#slots.shift()
    // A slot that was discarded may have been for another task than the one that starts now.
    if (slot) this.charge(Math.max(0, cost - slot.cost))
  }

  charge(cost: number): void {
    if (!this.#countsCost || cost <= 0) return
    this.#charge += cost
    const now = this.#options.clock.monotonic()
    if (this.#slots.length === 0 || this.#reserving || this.#returnAgainAt > now) return
    // What is reserved ahead was reserved without it: it goes back, and is reserved anew behind it.
    const from = this.#last?.from ?? Number.POSITIVE_INFINITY
    const earlier = this.#slots.filter((slot) => slot.at < from)
    this.#returnSlots()
    this.#slots = earlier
    this.#next = now
    this.#askAgainAt = now
    this.#returnAgainAt = now + ASK_AGAIN_MS
    void Promise.resolve().then(this.#options.onChange)
  }

  startsUntil(until: number, now: number): number {
    if (isUnlimited(this.#settings)) return this.#next <= until ? Number.POSITIVE_INFINITY : 0
    this.#discardLate()
    const reserved = this.#slots.findLastIndex((slot) => slot.at <= until) + 1
    const first = Math.max(this.#next, now)
    return reserved + startsWithin(this.#settings, until - first, this.#meanCost)
  }

  provide(waiting: number, costs: (from: number) => readonly number[], now: number): void {
    this.#waiting = waiting
    if (isUnlimited(this.#settings) || this.#reserving || waiting <= this.#slots.length || this.#nextAskAt > now) return
    this.#reserving = true
    void this.#reserve(costs(this.#slots.length))
  }

  hold(until: number, now: number): void {
    this.#next = Math.max(this.#next, until)
    this.#apply({ kind: 'hold', delayMs: until - now }).catch((thrown: unknown) => this.#tell(thrown, 0))
  }

  /** An idle flow ramps up by itself, and the others' flow is not ours to slow down. */
  rest(): void {}

  letGo(): void {
    this.#waiting = 0
    this.#returnSlots()
  }

  /** Between our earlier slots and the last reservation's there may be others' slots: only the last one's can go back. */
  #returnSlots(): void {
    const last = this.#last
    const unused = last ? this.#slots.filter((slot) => slot.at >= last.from) : []
    this.#slots = []
    if (unused.length === 0 || !last) return
    const costs = this.#spelled(unused.map(({ cost }) => cost))
    const step = { kind: 'handBack', mark: last.mark, costs, settings: this.#settings } as const
    this.#apply(step).catch((thrown: unknown) => this.#tell(thrown, 0))
  }

  change(settings: FlowSettings): void {
    // What the next start was expected at under the old rate may be far off.
    if (settings.limits !== this.#settings.limits) {
      this.#next = Number.NEGATIVE_INFINITY
      this.#askAgainAt = Number.NEGATIVE_INFINITY
    }
    this.#settings = settings
  }

  /** Sooner, the engine would have no slot within the horizon, or too few to be worth a call. */
  get #nextAskAt(): number {
    return Math.max(this.#next - PREFETCH_MS, this.#askAgainAt)
  }

  get #countsCost(): boolean {
    return this.#settings.limits.some(({ counts }) => counts === 'cost')
  }

  /** A flow that counts no costs needs no list of them. */
  #spelled(costs: readonly number[]): number | readonly number[] {
    return this.#countsCost ? costs : costs.length
  }

  #discardLate(): void {
    const now = this.#options.clock.monotonic()
    const slowest = Math.min(...this.#settings.limits.map(({ perSecond }) => perSecond))
    const least = TOLERANCE_MS[now < this.#sharedUntil ? 'shared' : 'alone']
    const tolerance = Math.max(least, (TOLERANCE_INTERVALS * 1_000) / slowest)
    const latest = now - tolerance
    while ((this.#slots[0]?.at ?? Number.POSITIVE_INFINITY) < latest) this.#slots.shift()
  }

  #apply<S extends Step>(step: S): Promise<Applied<S>> {
    return this.#options.shared.apply(CELL, step)
  }

  async #reserve(costs: readonly number[]): Promise<void> {
    const { clock, random, backoff, onChange } = this.#options
    const asked = clock.monotonic()
    const charge = this.#charge
    this.#charge = 0
    this.#meanCost = costs.reduce((sum, cost) => sum + cost, 0) / costs.length
    try {
      const answer = await this.#apply({
        kind: 'reserve',
        ...this.#settings,
        costs: this.#spelled(costs),
        charge,
        leadMs: this.#leadMs,
        horizonMs: PREFETCH_MS,
      })
      const halfTrip = (clock.monotonic() - asked) / 2
      this.#leadMs = Math.min(this.#leadMs + LEAD_WEIGHT * (halfTrip - this.#leadMs), PREFETCH_MS / 2)
      this.#receive(answer, costs, asked + halfTrip)
      this.#failed = 0
      if (answer.result.at.length < costs.length) this.#askAgainAt = asked + ASK_AGAIN_MS
    } catch (thrown) {
      this.#charge += charge
      const retryInMs = fullJitter(++this.#failed, random.next(), backoff)
      this.#tell(thrown, retryInMs)
      await new Promise<void>((resolve) => void clock.after(retryInMs, resolve, { background: true }))
    }
    this.#reserving = false
    onChange()
  }

  #receive(answer: Applied<ReserveStep>, costs: readonly number[], middle: number): void {
    const { at, next, mark } = answer.result
    const ahead = answer.ahead ?? answer.now - middle
    if (this.#lastMark > 0 && mark !== this.#lastMark + 1) this.#sharedUntil = middle + SHARED_FOR_MS
    this.#lastMark = mark
    const [first] = at
    if (first !== undefined) this.#last = { from: first - ahead, mark }
    this.#next = next - ahead
    for (const [index, slot] of at.entries()) this.#slots.push({ at: slot - ahead, cost: costs[index] ?? 1 })
    // The consumer let go while the answer was under way.
    if (this.#waiting === 0) this.letGo()
  }

  #tell(thrown: unknown, retryInMs: number): void {
    this.#options.onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
  }
}
