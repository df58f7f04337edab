/** One queue of a gateway: where tasks come in, the consumer that delivers them, and what watches both. */

import type { Clock } from '../clock.ts'
import { adaptive } from '../consumer/concurrency.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ConsumerLimits, PerKeyOptions } from '../consumer/options.ts'
import type { ScheduledLimits } from '../consumer/schedule.ts'
import type { ForebayError } from '../errors.ts'
import { startsPerSecond } from '../flow/flow-limits.ts'
import type { ScalingOptions } from '../flow/scaling-options.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { Overflow } from '../queue/overflow.ts'
import { type Recurring, recurring } from '../queue/recurring.ts'
import type { RandomSource } from '../random.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { ConsumerWork } from '../scaling/consumer-work.ts'
import { ScalingSignal } from '../scaling/scaling-signal.ts'
import { Callbacks } from './callbacks.ts'
import type { GatewayConfig, QueueSettings } from './config-schema.ts'
import { Delivery } from './deliver.ts'
import { FlowMeter } from './flow-meter.ts'
import { ReplyDesk } from './reply-desk.ts'
import type { TargetGuard } from './target-guard.ts'

type RecurringSettings = QueueSettings['recurring'][string]

export interface GatewayQueueOptions {
  readonly config: GatewayConfig
  readonly guard: TargetGuard
  readonly clock: Clock
  readonly random: RandomSource
  readonly telemetry: Telemetry
  readonly onError: (error: ForebayError) => void
}

export class GatewayQueue {
  readonly name: string
  readonly settings: QueueSettings
  readonly queue: LoadLevelingQueue
  readonly consumer: LeveledConsumer
  readonly replies: ReplyDesk
  readonly flow: FlowMeter
  /** Undefined where the configuration does not allow them. */
  readonly callbacks: Callbacks | undefined
  /** Undefined where no objective is configured. */
  readonly scaling: ScalingSignal | undefined
  readonly #delivery: Delivery
  readonly #random: RandomSource
  readonly #onError: (error: ForebayError) => void
  #recurring: readonly Recurring[] = []

  private constructor(
    queue: LoadLevelingQueue,
    settings: QueueSettings,
    callbacks: Callbacks | undefined,
    { config, guard, clock, random, onError }: GatewayQueueOptions,
  ) {
    this.name = queue.name
    this.queue = queue
    this.settings = settings
    this.callbacks = callbacks
    this.#random = random
    this.#onError = onError
    this.#delivery = new Delivery({
      settings,
      guard,
      clock,
      replyBytes: config.replyBytes,
      onAnswer: (id, answer) => this.replies.noteAnswer(id, answer),
    })
    const deliver = this.#delivery.deliver.bind(this.#delivery)
    const handler = callbacks?.before(deliver, () => this.consumer.limits.maxAttempts) ?? deliver
    this.consumer = new LeveledConsumer(queue, handler, {
      ...limitsOf(settings),
      schedule: settings.schedule.map(scheduledOf),
      breaker: settings.breaker,
      keepResultsMs: queue.service.capabilities.results ? (settings.keepResultsMs ?? config.keepResultsMs) : 0,
      random,
    })
    callbacks?.follow(queue, this.consumer)
    this.scaling = settings.scaling && signalOf(queue, this.consumer, settings.scaling)
    this.scaling?.on('error', ({ error }) => onError(error))
    this.consumer.on('error', ({ error }) => onError(error))
    queue.on('error', ({ error }) => onError(error))
    this.replies = new ReplyDesk(queue, this.consumer, clock)
    this.flow = new FlowMeter(queue, this.consumer, clock)
  }

  static async open(name: string, settings: QueueSettings, options: GatewayQueueOptions): Promise<GatewayQueue> {
    const { config, clock, random, guard, telemetry, onError } = options
    const { maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs } = settings
    const queue = await LoadLevelingQueue.open(config.storage, {
      name,
      clock,
      random,
      telemetry,
      maxDepth,
      maxPayloadBytes,
      dedupWindowMs,
      overflow: overflowOf(settings),
      ...(settings.fair !== undefined && { fair: settings.fair }),
      shedLate: settings.shedLate,
      ...expectedOf(settings),
      ...(maxBytes !== undefined && { maxBytes }),
      ...(config.coordinator !== undefined && { coordinator: config.coordinator }),
    })
    const callbacks = settings.callbacks
      ? await Callbacks.open({
          queue: name,
          storage: config.storage,
          replyBytes: config.replyBytes,
          guard,
          clock,
          random,
          telemetry,
          onError,
        })
      : undefined
    return new GatewayQueue(queue, settings, callbacks, options)
  }

  /** Begins to deliver, unless the queue is configured to start paused. */
  async start(): Promise<void> {
    // The consumer tells of its new state before it claims anything: a pause within that event lets nothing start.
    const off = this.settings.paused && this.consumer.on('state', () => this.consumer.pause())
    await this.consumer.start()
    if (off) off()
    this.#recurring = Object.entries(this.settings.recurring).map(([name, settings]) => this.#recur(name, settings))
    await this.callbacks?.start()
    this.scaling?.start()
  }

  /** Nobody waits any longer, neither for an answer nor for room. */
  endWaits(): void {
    this.replies.close()
    this.queue.endWaits()
  }

  /** Starts nothing more, and ends what runs within `graceMs`. Tasks can still come in. */
  async drain(graceMs: number): Promise<void> {
    await this.scaling?.stop()
    await Promise.all(this.#recurring.map((recurrence) => recurrence.stop()))
    await this.consumer.stop({ graceMs })
    await this.callbacks?.drain(graceMs)
  }

  /** Every gateway on this storage does the same, and each tick comes once. */
  #recur(
    name: string,
    { cron, timeZone, missed, since, type, payload, priority, key, ttlMs }: RecurringSettings,
  ): Recurring {
    const input = {
      type,
      payload,
      priority,
      ...(key !== undefined && { key }),
      ...(ttlMs !== undefined && { ttlMs }),
    }
    const recurrence = recurring(this.queue, {
      name,
      cron,
      timeZone,
      missed,
      ...(since !== undefined && { since: new Date(since) }),
      random: this.#random,
      task: () => input,
    })
    recurrence.on('error', ({ error }) => this.#onError(error))
    return recurrence
  }

  /** Lets go of the backend and of all connections; after `drain`. */
  async close(): Promise<void> {
    this.endWaits()
    this.flow.close()
    await this.callbacks?.close()
    await this.queue.close()
    await this.#delivery.close()
  }
}

function limitsOf({ rate, concurrency, perKey, retry, target }: QueueSettings): ConsumerLimits {
  return {
    rate,
    concurrency: concurrencyOf(concurrency),
    ...(perKey && { perKey: keyLimitsOf(perKey) }),
    retry,
    timeoutMs: target.timeoutMs,
  }
}

function concurrencyOf(concurrency: QueueSettings['concurrency']): NonNullable<ConsumerLimits['concurrency']> {
  return typeof concurrency === 'object' && 'adaptive' in concurrency ? adaptive(concurrency.adaptive) : concurrency
}

function keyLimitsOf({ concurrency, rate }: NonNullable<QueueSettings['perKey']>): PerKeyOptions {
  return { ...(concurrency !== undefined && { concurrency }), ...(rate && { rate }) }
}

function scheduledOf({ cron, timeZone, rate, concurrency }: QueueSettings['schedule'][number]): ScheduledLimits {
  const limits = {
    ...(rate && { rate: { perSecond: rate.perSecond, ...(rate.rampMs !== undefined && { rampMs: rate.rampMs }) } }),
    ...(concurrency !== undefined && { concurrency: concurrencyOf(concurrency) }),
  }
  return { cron, timeZone, limits }
}

/** As the queue takes it: what a policy needs, it has by now. */
function overflowOf({ overflow: { policy, deadlineMs = 0, to = '' } }: QueueSettings): Overflow {
  if (policy === 'wait') return { policy, deadlineMs }
  return policy === 'spill' ? { policy, to } : policy
}

/** As many starts as the limits that count starts allow, and nothing if none does. */
function expectedOf({ rate }: QueueSettings): { expectedPerSecond?: number } {
  const expectedPerSecond = startsPerSecond([rate, ...rate.also])
  return expectedPerSecond === Number.POSITIVE_INFINITY ? {} : { expectedPerSecond }
}

function signalOf(queue: LoadLevelingQueue, consumer: LeveledConsumer, options: ScalingOptions): ScalingSignal {
  const work = new ConsumerWork(consumer)
  // While it is paused here the tasks are others' to run, and that is no word about the downstream.
  const seen = () => (consumer.state === 'paused' ? { ...work.seen, capacityPerSecond: undefined } : work.seen)
  return new ScalingSignal(queue, seen, options)
}
