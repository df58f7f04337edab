/**
 * Watches one queue and its consumers by their events, and asks them for their figures when somebody wants to see them.
 *
 * Several consumers of one queue in one process are one to the metrics: their attempts and their concurrency are added up. Rate, bound
 * and breaker are those of the consumer that can start the most, since the rate is mostly one that they share.
 */

import type { Depth } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import type { ConsumerState } from '../consumer/events.ts'
import type { ObservedConsumer } from '../consumer/observer.ts'
import type { BreakerState } from '../flow/breaker.ts'
import type { FlowBound } from '../flow/effective-rate.ts'
import { HeavyHitters } from '../flow/heavy-hitters.ts'
import type { ScalingDecision } from '../flow/scaling-options.ts'
import type { ObservedQueue } from '../queue/observer.ts'
import { METRICS } from './metrics.ts'
import type { Gauge, Registry } from './registry.ts'
import { StartMeter } from './start-meter.ts'
import { TaskSeries } from './task-series.ts'

/** A backend that takes longer to say how full a queue is has its depth left out. */
const LONGEST_ANSWER_MS = 2_000

/** Asked again sooner, the figures of before are good enough. */
const DEPTH_KEPT_MS = 1_000

/** Places in the count of keys for each that is shown: the counts of those are then hardly too high. */
const PLACES_PER_KEY = 10

const STATES = ['running', 'paused', 'stopping'] as const satisfies readonly ConsumerState[]
const BOUNDS = ['paused', 'breaker', 'hold', 'rate', 'quota', 'concurrency'] as const satisfies readonly FlowBound[]
const BREAKER_STATES = ['closed', 'half-open', 'open'] as const satisfies readonly BreakerState[]
const PLACES = ['ready', 'delayed', 'in_flight', 'dead', 'spilled'] as const

export interface QueueWatchOptions {
  readonly name: string
  readonly clock: Clock
  readonly registry: Registry
  /** How many keys are shown; 0: none are counted. */
  readonly topKeys: number
}

export class QueueWatch {
  readonly #options: QueueWatchOptions
  readonly #tasks: TaskSeries
  readonly #starts: StartMeter
  readonly #keys: HeavyHitters | undefined
  #shownKeys: readonly string[] = []
  /** The object that is open now: a queue may be closed and opened again under its name. */
  readonly #queues = new Set<ObservedQueue>()
  readonly #consumers = new Set<ObservedConsumer>()
  readonly #places: Readonly<Record<(typeof PLACES)[number], Gauge>>
  readonly #states: Readonly<Record<(typeof STATES)[number], Gauge>>
  readonly #gauges
  #depthAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  constructor(options: QueueWatchOptions) {
    this.#options = options
    const { name: queue, clock, registry, topKeys } = options
    this.#tasks = new TaskSeries(queue, registry)
    this.#starts = new StartMeter(clock)
    this.#keys = topKeys > 0 ? new HeavyHitters(topKeys * PLACES_PER_KEY) : undefined
    // All at once, so that no flood of types can take their room.
    this.#places = byName(PLACES, (state) => registry.series(METRICS.depth, { queue, state }))
    this.#states = byName(STATES, (state) => registry.series(METRICS.consumers, { queue, state }))
    this.#gauges = {
      oldestAge: registry.series(METRICS.oldestAge, { queue }),
      bytes: registry.series(METRICS.bytes, { queue }),
      producersWaiting: registry.series(METRICS.producersWaiting, { queue }),
      running: registry.series(METRICS.running, { queue }),
      concurrencyLimit: registry.series(METRICS.concurrencyLimit, { queue }),
      rateLimit: registry.series(METRICS.rateLimit, { queue }),
      effectiveRate: registry.series(METRICS.effectiveRate, { queue }),
      pacerUtilization: registry.series(METRICS.pacerUtilization, { queue }),
      desiredWorkers: registry.series(METRICS.desiredWorkers, { queue }),
      usefulWorkers: registry.series(METRICS.usefulWorkers, { queue }),
      lateShare: registry.series(METRICS.lateShare, { queue }),
      bounds: byName(BOUNDS, (bound) => registry.series(METRICS.flowBound, { queue, bound })),
      breaker: byName(BREAKER_STATES, (state) => registry.series(METRICS.breakerState, { queue, state })),
    }
    registry.reserve(METRICS.keyTasks, topKeys)
  }

  noteKey(key: string): void {
    this.#keys?.note(key)
  }

  noteScaling(decision: ScalingDecision | undefined): void {
    const { desiredWorkers, usefulWorkers, lateShare } = this.#gauges
    desiredWorkers.set(decision?.desired)
    usefulWorkers.set(finite(decision?.useful))
    lateShare.set(decision?.lateShare)
  }

  watchQueue(queue: ObservedQueue): () => void {
    const { name, registry } = this.#options
    const tasks = this.#tasks
    const dropped = registry.series(METRICS.dropped, { queue: name })
    const offer = (type: string) => tasks.of(type).offered.add()
    const off = [
      queue.on('accepted', ({ type }) => {
        const series = tasks.of(type)
        series.offered.add()
        series.accepted.add()
      }),
      queue.on('duplicate', ({ type }) => {
        offer(type)
        tasks.addRare('duplicate', type)
      }),
      queue.on('refused', ({ type, code }) => {
        offer(type)
        tasks.addRefused(type, code)
      }),
      queue.on('spilled', ({ type }) => tasks.addRare('spilled', type)),
      queue.on('dropped', () => dropped.add()),
      queue.on('expired', ({ task }) => tasks.addRare('expired', task.type)),
    ]
    this.#queues.add(queue)
    return () => {
      for (const stop of off) stop()
      this.#queues.delete(queue)
      if (this.#queues.size === 0) this.#forgetDepth()
    }
  }

  watchConsumer(consumer: ObservedConsumer): void {
    const { name: queue, registry } = this.#options
    const tasks = this.#tasks
    const wait = registry.series(METRICS.wait, { queue })
    const permitWait = registry.series(METRICS.permitWait, { queue })
    const holds = registry.series(METRICS.holds, { queue })
    const leasesLost = registry.series(METRICS.leasesLost, { queue })
    consumer.on('started', ({ task, waitedMs, heldMs }) => {
      tasks.of(task.type).started.add()
      wait.record((waitedMs + heldMs) / 1_000)
      permitWait.record(heldMs / 1_000)
      this.#starts.note()
    })
    consumer.on('completed', ({ task, durationMs }) => {
      const series = tasks.of(task.type)
      series.completed.add()
      series.served.record(durationMs / 1_000)
    })
    consumer.on('retried', ({ task, durationMs }) => {
      tasks.addRare('retried', task.type)
      tasks.recordFailed(task.type, 'retried', durationMs)
    })
    consumer.on('dead', ({ task, reason, durationMs }) => {
      tasks.addDead(task.type, reason)
      tasks.recordFailed(task.type, 'dead', durationMs)
    })
    consumer.on('released', ({ task }) => tasks.addRare('released', task.type))
    consumer.on('expired', ({ task }) => tasks.addRare('expired', task.type))
    consumer.on('leaseLost', () => leasesLost.add())
    consumer.on('held', () => holds.add())
    consumer.on('limit', ({ reason }) => registry.series(METRICS.limitChanges, { queue, reason }).add())
    consumer.on('breaker', ({ state }) => registry.series(METRICS.breakerChanges, { queue, state }).add())
    consumer.on('state', ({ state }) => {
      if (state === 'stopped') this.#consumers.delete(consumer)
      else this.#consumers.add(consumer)
    })
  }

  /** Brings the gauges up to date. Never rejects: what cannot be asked is left out. */
  async refresh(): Promise<void> {
    const now = this.#options.clock.monotonic()
    this.#refreshConsumers(now)
    this.#refreshKeys()
    if (now - this.#depthAt >= DEPTH_KEPT_MS)
      this.#asking ??= this.#askDepth().finally(() => (this.#asking = undefined))
    await this.#asking
  }

  #refreshConsumers(now: number): void {
    const consumers = [...this.#consumers]
    for (const state of STATES) this.#states[state].set(consumers.filter((one) => one.state === state).length)
    const gauges = this.#gauges
    gauges.running.set(sum(consumers.map(({ running }) => running)))
    gauges.concurrencyLimit.set(sum(consumers.map(({ limits }) => limits.concurrency)))
    const [fastest] = consumers.toSorted((one, other) => other.effectiveRate.perSecond - one.effectiveRate.perSecond)
    const effective = fastest?.effectiveRate
    const rate = finite(fastest?.limits.perSecond)
    gauges.rateLimit.set(rate)
    gauges.effectiveRate.set(finite(effective?.perSecond))
    gauges.pacerUtilization.set(rate === undefined ? undefined : Math.min(1, this.#starts.perSecond(now) / rate))
    for (const bound of BOUNDS) gauges.bounds[bound].set(effective && Number(bound === effective.boundBy))
    for (const state of BREAKER_STATES) {
      gauges.breaker[state].set(fastest?.breaker === undefined ? undefined : Number(fastest.breaker === state))
    }
  }

  #refreshKeys(): void {
    if (!this.#keys) return
    const { name: queue, registry, topKeys } = this.#options
    const top = this.#keys.top(topKeys)
    const now = top.map(({ key }) => key)
    for (const key of this.#shownKeys) if (!now.includes(key)) registry.forget(METRICS.keyTasks, { queue, key })
    for (const { key, count } of top) registry.series(METRICS.keyTasks, { queue, key }).set(count)
    this.#shownKeys = now
  }

  async #askDepth(): Promise<void> {
    const { clock } = this.#options
    const [queue] = this.#queues
    if (!queue) return
    const answered = new AbortController()
    const late = sleep(clock, LONGEST_ANSWER_MS, answered.signal).then(
      () => undefined,
      () => undefined,
    )
    const asked = Promise.all([queue.depth(), queue.spilled()]).catch(() => undefined)
    const answer = await Promise.race([asked, late])
    answered.abort()
    // It may have been closed meanwhile.
    if (!answer || !this.#queues.has(queue)) return this.#forgetDepth()
    this.#depthAt = clock.monotonic()
    this.#showDepth(answer[0], answer[1], queue.waiting)
  }

  #showDepth(depth: Depth, spilled: Depth | undefined, waiting: number): void {
    const { ready, delayed, inFlight, dead, oldestReadyAgeMs, bytes } = depth
    this.#places.ready.set(ready)
    this.#places.delayed.set(delayed)
    this.#places.in_flight.set(inFlight)
    this.#places.dead.set(dead)
    this.#places.spilled.set(spilled && spilled.ready + spilled.delayed + spilled.inFlight)
    this.#gauges.oldestAge.set(oldestReadyAgeMs === undefined ? undefined : oldestReadyAgeMs / 1_000)
    this.#gauges.bytes.set(bytes)
    this.#gauges.producersWaiting.set(waiting)
  }

  /** What is not known is not shown: the figures of before would look like those of now. */
  #forgetDepth(): void {
    const { oldestAge, bytes, producersWaiting } = this.#gauges
    for (const gauge of [...Object.values(this.#places), oldestAge, bytes, producersWaiting]) gauge.set(undefined)
    this.#depthAt = Number.NEGATIVE_INFINITY
  }
}

function byName<Name extends string, Value>(names: readonly Name[], of: (name: Name) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Name, Value>
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined
}
