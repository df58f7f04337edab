/** One queue of a gateway: where tasks come in, the consumer that delivers them, and what watches both. */

import type { Clock } from '../clock.ts'
import { adaptive } from '../consumer/concurrency.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ConsumerLimits } from '../consumer/options.ts'
import type { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { RandomSource } from '../random.ts'
import { Callbacks } from './callbacks.ts'
import type { GatewayConfig, QueueSettings } from './config-schema.ts'
import { Delivery } from './deliver.ts'
import { FlowMeter } from './flow-meter.ts'
import { ReplyDesk } from './reply-desk.ts'
import type { TargetGuard } from './target-guard.ts'

export interface GatewayQueueOptions {
  readonly config: GatewayConfig
  readonly guard: TargetGuard
  readonly clock: Clock
  readonly random: RandomSource
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
  readonly #delivery: Delivery

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
      breaker: settings.breaker,
      keepResultsMs: queue.service.capabilities.results ? (settings.keepResultsMs ?? config.keepResultsMs) : 0,
      random,
    })
    callbacks?.follow(this.consumer)
    this.consumer.on('error', ({ error }) => onError(error))
    this.replies = new ReplyDesk(queue, this.consumer, clock)
    this.flow = new FlowMeter(queue, this.consumer, clock)
  }

  static async open(name: string, settings: QueueSettings, options: GatewayQueueOptions): Promise<GatewayQueue> {
    const { config, clock, random, guard, onError } = options
    const { maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs } = settings
    const queue = await LoadLevelingQueue.open(config.storage, {
      name,
      clock,
      random,
      maxDepth,
      maxPayloadBytes,
      dedupWindowMs,
      expectedPerSecond: settings.rate.perSecond,
      ...(maxBytes !== undefined && { maxBytes }),
    })
    const callbacks = settings.callbacks
      ? await Callbacks.open({
          queue: name,
          storage: config.storage,
          replyBytes: config.replyBytes,
          guard,
          clock,
          random,
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
    await this.callbacks?.start()
  }

  /** Starts nothing more, and ends what runs within `graceMs`. Tasks can still come in. */
  async drain(graceMs: number): Promise<void> {
    await this.consumer.stop({ graceMs })
    await this.callbacks?.drain(graceMs)
  }

  /** Lets go of the backend and of all connections; after `drain`. */
  async close(): Promise<void> {
    this.replies.close()
    this.flow.close()
    await this.callbacks?.close()
    await this.queue.close()
    await this.#delivery.close()
  }
}

function limitsOf({ rate, concurrency, retry, target }: QueueSettings): ConsumerLimits {
  const found = typeof concurrency === 'number' ? concurrency : adaptive(concurrency.adaptive)
  return { rate, concurrency: found, retry, timeoutMs: target.timeoutMs }
}
