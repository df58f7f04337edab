/**
 * The live page's figures: once a second, for each queue, how much came in, waits and went out.
 *
 * A sample is the difference of two counts over the time between them. The last five minutes are always kept, so that who opens the page sees what led here.
 */

import type { Depth } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import type { StandsStill } from '../consumer/circuit.ts'
import type { ConsumerState } from '../consumer/events.ts'
import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { Emitter, type Listener } from '../events.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { FLOWS, type Flow, type FlowMeter } from './flow-meter.ts'
import { type EffectiveRateView, effectiveRateView } from './queue-view.ts'

export const SAMPLE_EVERY_MS = 1_000

/** Five minutes. */
export const SAMPLES_KEPT = 300

/** As much of a gateway's queue as its figures need. */
export interface LiveQueue {
  readonly name: string
  readonly queue: Pick<LoadLevelingQueue, 'depth'>
  readonly consumer: Pick<
    LeveledConsumer,
    'on' | 'state' | 'standsStill' | 'limits' | 'effectiveRate' | 'pause' | 'resume'
  >
  readonly flow: Pick<FlowMeter, 'totals'>
}

export type FlowCounts = Readonly<Record<Flow, number>>

export interface LiveFigures {
  readonly name: string
  readonly state: ConsumerState
  /** Why nothing starts although it runs. */
  readonly standsStill: StandsStill | null
  /** How many tasks are in each place; null while the backend does not answer. */
  readonly depth: Pick<Depth, 'ready' | 'delayed' | 'inFlight' | 'dead'> | null
  readonly oldestReadyAgeMs: number | null
  /** Over the time since the last sample. */
  readonly perSecond: FlowCounts
  /** Since the gateway started. */
  readonly totals: FlowCounts
  /** `ratePerSecond` is null where there is no limit on the rate. */
  readonly limit: { readonly ratePerSecond: number | null; readonly concurrency: number }
  /** What the flow can do now, and what bounds it. */
  readonly effectiveRate: EffectiveRateView
}

export interface LiveSample {
  /** Wall time, epoch milliseconds. */
  readonly at: number
  readonly queues: readonly LiveFigures[]
}

export interface LiveEvents {
  sample: LiveSample
  state: { readonly name: string; readonly state: ConsumerState }
}

interface Watched {
  readonly live: LiveQueue
  /** What was counted at the sample before. */
  before: FlowCounts
}

export class LiveSampler {
  readonly #clock: Clock
  readonly #events = new Emitter<LiveEvents>()
  readonly #watched: readonly Watched[]
  readonly #unsubscribe: (() => void)[] = []
  readonly #history: LiveSample[] = []
  #cancelTimer: CancelTimer | undefined
  #sampledAt: number
  #stopped = false

  constructor(queues: Iterable<LiveQueue>, clock: Clock) {
    this.#clock = clock
    this.#sampledAt = clock.monotonic()
    this.#watched = Array.from(queues, (live) => this.#watch(live))
    this.#waitUntil(this.#sampledAt + SAMPLE_EVERY_MS)
  }

  /** The last five minutes, oldest first. */
  get history(): readonly LiveSample[] {
    return this.#history
  }

  on<Name extends keyof LiveEvents>(name: Name, listener: Listener<LiveEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Works twice. */
  stop(): void {
    this.#stopped = true
    this.#cancelTimer?.()
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
  }

  #watch(live: LiveQueue): Watched {
    const { consumer, name } = live
    this.#unsubscribe.push(consumer.on('state', ({ state }) => this.#events.emit('state', { name, state })))
    return { live, before: live.flow.totals }
  }

  #waitUntil(due: number): void {
    const fire = () => void this.#sample(due)
    this.#cancelTimer = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), fire, { background: true })
  }

  async #sample(due: number): Promise<void> {
    const now = this.#clock.monotonic()
    const seconds = (now - this.#sampledAt) / 1_000
    this.#sampledAt = now
    // All are counted before the first backend is asked, so that the queues' figures are of the same second.
    const counted = this.#watched.map((watched) => countsOf(watched, seconds))
    const depths = await Promise.all(this.#watched.map(({ live }) => live.queue.depth().catch(() => undefined)))
    if (this.#stopped) return
    const queues = this.#watched.map(({ live }, index) => figuresOf(live, counted[index] as Counted, depths[index]))
    const sample = { at: this.#clock.now(), queues }
    this.#history.push(sample)
    if (this.#history.length > SAMPLES_KEPT) this.#history.shift()
    this.#events.emit('sample', sample)
    // A backend that answered late must not be asked again at once.
    this.#waitUntil(Math.max(due + SAMPLE_EVERY_MS, this.#clock.monotonic() + SAMPLE_EVERY_MS / 2))
  }
}

type Counted = Pick<LiveFigures, 'perSecond' | 'totals'>

function countsOf(watched: Watched, seconds: number): Counted {
  const { before } = watched
  const { totals } = watched.live.flow
  watched.before = totals
  const rates = FLOWS.map((flow) => [flow, (totals[flow] - before[flow]) / seconds])
  return { perSecond: Object.fromEntries(rates), totals }
}

function figuresOf({ name, consumer }: LiveQueue, counted: Counted, depth: Depth | undefined): LiveFigures {
  const { perSecond: rate, concurrency } = consumer.limits
  return {
    name,
    state: consumer.state,
    standsStill: consumer.standsStill ?? null,
    depth: depth ? { ready: depth.ready, delayed: depth.delayed, inFlight: depth.inFlight, dead: depth.dead } : null,
    oldestReadyAgeMs: depth?.oldestReadyAgeMs ?? null,
    ...counted,
    limit: { ratePerSecond: Number.isFinite(rate) ? rate : null, concurrency },
    effectiveRate: effectiveRateView(consumer.effectiveRate),
  }
}
