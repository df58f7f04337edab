/**
 * The live page's figures: once a second, for each queue, how much came in, waits and went out.
 *
 * What happens is counted from the events of queue and consumer; a sample is the difference of two counts over the time
 * between them. The last five minutes are always kept, so that who opens the page sees what led here.
 */

import type { Depth } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import type { ConsumerState } from '../consumer/events.ts'
import type { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { Emitter, type Listener } from '../events.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'

export const SAMPLE_EVERY_MS = 1_000

/** Five minutes. */
export const SAMPLES_KEPT = 300

/** As much of a gateway's queue as its figures need. */
export interface LiveQueue {
  readonly name: string
  readonly queue: Pick<LoadLevelingQueue, 'on' | 'depth'>
  readonly consumer: Pick<LeveledConsumer, 'on' | 'state' | 'limits' | 'pause' | 'resume'>
}

/** What is counted: of each, how many. `offered` is all that was asked to be queued, whatever became of it. */
export interface FlowCounts {
  readonly offered: number
  readonly accepted: number
  readonly refused: number
  readonly started: number
  readonly completed: number
  readonly retried: number
  readonly dead: number
}

export interface LiveFigures {
  readonly name: string
  readonly state: ConsumerState
  /** How many tasks are in each place; null while the backend does not answer. */
  readonly depth: Pick<Depth, 'ready' | 'delayed' | 'inFlight' | 'dead'> | null
  readonly oldestReadyAgeMs: number | null
  /** Over the time since the last sample. */
  readonly perSecond: FlowCounts
  /** Since the gateway started. */
  readonly totals: FlowCounts
  /** `ratePerSecond` is null where there is no limit on the rate. */
  readonly limit: { readonly ratePerSecond: number | null; readonly concurrency: number }
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

const NOTHING: FlowCounts = { offered: 0, accepted: 0, refused: 0, started: 0, completed: 0, retried: 0, dead: 0 }
const COUNTED = Object.keys(NOTHING) as readonly (keyof FlowCounts)[]

type Counts = { -readonly [Name in keyof FlowCounts]: number }

interface Watched {
  readonly live: LiveQueue
  readonly totals: Counts
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
    const totals: Counts = { ...NOTHING }
    const { queue, consumer, name } = live
    const count = (...names: (keyof FlowCounts)[]) => {
      for (const counted of names) totals[counted]++
    }
    this.#unsubscribe.push(
      queue.on('accepted', () => count('offered', 'accepted')),
      queue.on('duplicate', () => count('offered')),
      queue.on('refused', () => count('offered', 'refused')),
      consumer.on('started', () => count('started')),
      consumer.on('completed', () => count('completed')),
      consumer.on('retried', () => count('retried')),
      consumer.on('dead', () => count('dead')),
      consumer.on('state', ({ state }) => this.#events.emit('state', { name, state })),
    )
    return { live, totals, before: NOTHING }
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
  const totals = { ...watched.totals }
  const perSecond: Counts = { ...NOTHING }
  for (const name of COUNTED) perSecond[name] = (totals[name] - watched.before[name]) / seconds
  watched.before = totals
  return { perSecond, totals }
}

function figuresOf({ name, consumer }: LiveQueue, counted: Counted, depth: Depth | undefined): LiveFigures {
  const { perSecond: rate, concurrency } = consumer.limits
  return {
    name,
    state: consumer.state,
    depth: depth ? { ready: depth.ready, delayed: depth.delayed, inFlight: depth.inFlight, dead: depth.dead } : null,
    oldestReadyAgeMs: depth?.oldestReadyAgeMs ?? null,
    ...counted,
    limit: { ratePerSecond: Number.isFinite(rate) ? rate : null, concurrency },
  }
}
