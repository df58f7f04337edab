/**
 * Permits from a rate that all consumers of the queue share. Slots are reserved in batches for tasks that are claimed, so
 * that no slot goes to a process that has nothing to start.
 *
 *     reserving   a request is under way, or waits after one that failed; its answer sets off the loop's next turn
 *     slots       reserved starts, ascending, by this process's monotonic clock
 *
 * A slot is used when it has come, by up to `toleranceMs` late; after that it is discarded, never used late, so that a
 * process that was blocked releases no burst. Where the engine does not know the offset between its clock and ours, it is taken
 * from the middle of the request; its error is at most half of a round trip.
 */

import type { SharedPacer, Slots } from '../backends/shared-pacer.ts'
import type { Clock } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { type BackoffSettings, fullJitter } from '../flow/backoff.ts'
import type { PacerSettings } from '../flow/pacer.ts'
import type { RandomSource } from '../random.ts'
import type { Permits } from './permits.ts'

/** So that a process needs fewer than ten reservations a second: a batch lasts for half of this, at least. */
const PREFETCH_MS = 250

/** Who was given less than it asked for, because the rate is used up or others were faster, asks again only after this. */
const ASK_AGAIN_MS = 125

/** A slot may be used this late, or half an interval where that is more: the law then still gains less than one start. */
const TOLERANCE_MS = 5
const TOLERANCE_INTERVALS = 0.5

const LEAD_WEIGHT = 0.2

export interface SharedPermitsOptions {
  readonly pacer: SharedPacer
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
  #settings: PacerSettings
  #slots: number[] = []
  /** When the engine's first free slot comes, as far as we know. */
  #next = Number.NEGATIVE_INFINITY
  #waiting = 0
  #askAgainAt = Number.NEGATIVE_INFINITY
  #failed = 0
  /** How long answers have taken to arrive, smoothed: slots that come sooner would be late before they are known. */
  #leadMs = 0
  #reserving = false
  /** Of the last reservation, for handing back: its first slot by our clock, the engine's time less ours, and its `next`. */
  #last: { readonly from: number; readonly ahead: number; readonly next: number } | undefined

  constructor(settings: PacerSettings, options: SharedPermitsOptions) {
    this.#settings = settings
    this.#options = options
  }

  get nextAt(): number {
    if (this.#isUnlimited) return this.#next
    this.#discardLate()
    return this.#slots[0] ?? Number.POSITIVE_INFINITY
  }

  get expectedAt(): number {
    return this.#slots[0] ?? this.#next
  }

  wakeAt(now: number): number {
    if (this.#isUnlimited || this.#slots.length > 0) return this.nextAt
    return this.#reserving ? Number.POSITIVE_INFINITY : Math.max(now, this.#nextAskAt)
  }

  take(): void {
    this.#slots.shift()
  }

  startsUntil(until: number, now: number): number {
    if (this.#isUnlimited) return this.#next <= until ? Number.POSITIVE_INFINITY : 0
    this.#discardLate()
    const reserved = this.#slots.findLastIndex((slot) => slot <= until) + 1
    const first = Math.max(this.#next, now)
    const expected = first > until ? 0 : Math.floor(((until - first) * this.#settings.perSecond) / 1_000) + 1
    return reserved + expected
  }

  provide(waiting: number, now: number): void {
    this.#waiting = waiting
    if (this.#isUnlimited || this.#reserving || waiting <= this.#slots.length || this.#nextAskAt > now) return
    this.#reserving = true
    void this.#reserve(waiting - this.#slots.length)
  }

  hold(until: number, now: number): void {
    this.#next = Math.max(this.#next, until)
    this.#options.pacer.hold(until - now).catch((thrown: unknown) => this.#tell(thrown, 0))
  }

  /** An idle flow ramps up by itself, and the others' flow is not ours to slow down. */
  rest(): void {}

  letGo(): void {
    this.#waiting = 0
    const last = this.#last
    // Between our earlier slots and the last reservation's there may be others' slots: only the last one's can go back.
    const first = last && this.#slots.find((slot) => slot >= last.from)
    this.#slots = []
    if (first === undefined || !last) return
    this.#options.pacer.handBack(first + last.ahead, last.next).catch((thrown: unknown) => this.#tell(thrown, 0))
  }

  change(settings: PacerSettings): void {
    // What the next start was expected at under the old rate may be far off.
    if (settings.perSecond !== this.#settings.perSecond) {
      this.#next = Number.NEGATIVE_INFINITY
      this.#askAgainAt = Number.NEGATIVE_INFINITY
    }
    this.#settings = settings
  }

  /** Sooner, the engine would have no slot within the horizon, or too few to be worth a call. */
  get #nextAskAt(): number {
    return Math.max(this.#next - PREFETCH_MS, this.#askAgainAt)
  }

  get #isUnlimited(): boolean {
    return this.#settings.perSecond === Number.POSITIVE_INFINITY
  }

  #discardLate(): void {
    const tolerance = Math.max(TOLERANCE_MS, (TOLERANCE_INTERVALS * 1_000) / this.#settings.perSecond)
    const latest = this.#options.clock.monotonic() - tolerance
    while ((this.#slots[0] ?? Number.POSITIVE_INFINITY) < latest) this.#slots.shift()
  }

  async #reserve(want: number): Promise<void> {
    const { pacer, clock, random, backoff, onChange } = this.#options
    const { perSecond, rampMs } = this.#settings
    const asked = clock.monotonic()
    try {
      const slots = await pacer.reserve({ perSecond, rampMs, want, leadMs: this.#leadMs, horizonMs: PREFETCH_MS })
      const halfTrip = (clock.monotonic() - asked) / 2
      this.#leadMs = Math.min(this.#leadMs + LEAD_WEIGHT * (halfTrip - this.#leadMs), PREFETCH_MS / 2)
      this.#receive(slots, asked + halfTrip)
      this.#failed = 0
      if (slots.at.length < want) this.#askAgainAt = asked + ASK_AGAIN_MS
    } catch (thrown) {
      const retryInMs = fullJitter(++this.#failed, random.next(), backoff)
      this.#tell(thrown, retryInMs)
      await new Promise<void>((resolve) => void clock.after(retryInMs, resolve, { background: true }))
    }
    this.#reserving = false
    onChange()
  }

  #receive(slots: Slots, at: number): void {
    const ahead = slots.ahead ?? slots.now - at
    const [first] = slots.at
    if (first !== undefined) this.#last = { from: first - ahead, ahead, next: slots.next }
    this.#next = slots.next - ahead
    for (const slot of slots.at) this.#slots.push(slot - ahead)
    // The consumer let go while the answer was under way.
    if (this.#waiting === 0) this.letGo()
  }

  #tell(thrown: unknown, retryInMs: number): void {
    this.#options.onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
  }
}
