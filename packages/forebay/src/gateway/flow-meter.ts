/** What flows through a queue of the gateway, counted from its events: how many since the start, and how many per second. */

import type { Clock } from '../clock.ts'
import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'

/** `offered` is all that was asked to be queued, whatever became of it; `spilled` and `dropped` were accepted once. */
export const FLOWS = [
  'offered',
  'accepted',
  'refused',
  'spilled',
  'started',
  'completed',
  'retried',
  'dead',
  'expired',
  'dropped',
] as const

export type Flow = (typeof FLOWS)[number]

/** Rates are means over this long. */
const WINDOW_SECONDS = 10

interface Second {
  second: number
  counts: Record<Flow, number>
}

export class FlowMeter {
  readonly #clock: Clock
  readonly #began: number
  readonly #totals: Record<Flow, number>
  /** One count a second, of this second and the `WINDOW_SECONDS` before it; the second's number tells old ones. */
  readonly #seconds: Second[]
  readonly #unsubscribe: (() => void)[]

  constructor(queue: LoadLevelingQueue, consumer: LeveledConsumer, clock: Clock) {
    this.#clock = clock
    this.#began = clock.monotonic()
    this.#totals = nothing()
    this.#seconds = Array.from({ length: WINDOW_SECONDS + 1 }, () => ({ second: -1, counts: nothing() }))
    this.#unsubscribe = [
      queue.on('accepted', () => this.#count('offered', 'accepted')),
      queue.on('duplicate', () => this.#count('offered')),
      queue.on('refused', () => this.#count('offered', 'refused')),
      queue.on('spilled', () => this.#count('spilled')),
      queue.on('dropped', () => this.#count('dropped')),
      queue.on('expired', () => this.#count('expired')),
      consumer.on('expired', () => this.#count('expired')),
      consumer.on('started', () => this.#count('started')),
      consumer.on('completed', () => this.#count('completed')),
      consumer.on('retried', () => this.#count('retried')),
      consumer.on('dead', () => this.#count('dead')),
    ]
  }

  /** Since the gateway started. */
  get totals(): Readonly<Record<Flow, number>> {
    return { ...this.#totals }
  }

  /** Per second, over the last ten whole seconds, or as many as there were. */
  get perSecond(): Readonly<Record<Flow, number>> {
    const now = this.#second()
    const whole = Math.min(WINDOW_SECONDS, Math.max(1, now))
    const sums = nothing()
    for (const { second, counts } of this.#seconds) {
      if (second < 0 || second >= now || second < now - WINDOW_SECONDS) continue
      for (const flow of FLOWS) sums[flow] += counts[flow] / whole
    }
    return sums
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  #count(...flows: readonly Flow[]): void {
    const second = this.#second()
    const slot = this.#seconds[second % this.#seconds.length] as Second
    if (slot.second !== second) {
      slot.second = second
      slot.counts = nothing()
    }
    for (const flow of flows) {
      slot.counts[flow]++
      this.#totals[flow]++
    }
  }

  #second(): number {
    return Math.floor((this.#clock.monotonic() - this.#began) / 1_000)
  }
}

function nothing(): Record<Flow, number> {
  return Object.fromEntries(FLOWS.map((flow) => [flow, 0])) as Record<Flow, number>
}
