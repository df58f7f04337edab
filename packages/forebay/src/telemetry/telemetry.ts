/**
 * `createTelemetry()`: what is seen of queues and consumers, by one registry with two outputs, Prometheus text and OpenTelemetry.
 *
 *     queue    --- decorator round its backend (observed-service.ts) ---+
 *     queue    --- its events, its depth (queue-watch.ts) --------------+--> Registry --> text, OpenTelemetry
 *     consumer --- its events, its limits (queue-watch.ts) -------------+
 *     enqueue  --- producer's span, into the task's headers (sending-spans.ts)
 *     attempt  --- consumer's span that links to it (consumer/middleware/tracing.ts)
 *
 * A queue that is opened with it brings its consumers along.
 */

import type { MeterProvider, Tracer, TracerProvider } from '@opentelemetry/api'
import type { QueueService } from '../backends/queue-service.ts'
import { type Clock, EventLoopWatch, systemClock } from '../clock.ts'
import type { Batch, Handler } from '../consumer/handler.ts'
import type { AnyMiddleware, MiddlewareScope } from '../consumer/middleware/compose.ts'
import { tracing } from '../consumer/middleware/tracing.ts'
import type { ConsumerObserver, ObservedConsumer } from '../consumer/observer.ts'
import { ForebayError } from '../errors.ts'
import type { ScalingDecision } from '../flow/scaling-options.ts'
import type { ObservedQueue, QueueObserver, Sending } from '../queue/observer.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { TaskInput } from '../task.ts'
import { withBatchSpans } from './batch-spans.ts'
import { METRICS } from './metrics.ts'
import { observedService } from './observed-service.ts'
import { meterOf, mirrorOf, offerTo, tracerOf } from './open-telemetry.ts'
import { CONTENT_TYPES, formatFor, metricsText } from './prometheus-text.ts'
import { QueueWatch } from './queue-watch.ts'
import { DEFAULT_MAX_SERIES, LEAST_MAX_SERIES, Registry } from './registry.ts'
import { sendingSpans } from './sending-spans.ts'

export interface TelemetryOptions {
  /** Who records the spans. Default: the provider that is registered globally when this is made. `false`: nobody. */
  readonly tracerProvider?: TracerProvider | false
  /** Who collects the metrics, beside the Prometheus text. Default: the provider that is registered globally when this is made. `false`: nobody. */
  readonly meterProvider?: MeterProvider | false
  /** So many series at most, as Prometheus counts them; what no longer fits is counted under `other`. Default 1,000. */
  readonly maxSeries?: number
  /** The most frequent keys of each queue that are shown, at most 50. Keys may tell who your customers are. Default 0: none. */
  readonly topKeys?: number
  /** Where the delay of the event loop comes from; `false`: it is not watched. Default: this process. */
  readonly eventLoop?: Pick<EventLoopWatch, 'read' | 'stop'> | false
  /** Default: the system's. Spans of time within a queue are measured by the queue's own clock. */
  readonly clock?: Clock
}

const MOST_KEYS = 50

/** @throws ForebayError INVALID_OPTION. */
export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  return new Telemetry(options)
}

export class Telemetry implements QueueObserver, ConsumerObserver {
  readonly #tracing: AnyMiddleware | undefined
  readonly #tracer: Tracer | undefined
  readonly #registry: Registry
  readonly #topKeys: number
  readonly #eventLoop: Pick<EventLoopWatch, 'read' | 'stop'> | undefined
  readonly #watches = new Map<string, QueueWatch>()
  readonly #withdraw: (() => void) | undefined

  constructor(options: TelemetryOptions) {
    const { tracerProvider, meterProvider, maxSeries = DEFAULT_MAX_SERIES, topKeys = 0, clock = systemClock } = options
    whole('maxSeries', maxSeries, LEAST_MAX_SERIES, 1_000_000)
    whole('topKeys', topKeys, 0, MOST_KEYS)
    const meter = meterOf(meterProvider)
    this.#tracer = tracerOf(tracerProvider)
    this.#tracing = this.#tracer && tracing({ tracer: this.#tracer })
    this.#topKeys = topKeys
    this.#registry = new Registry({ maxSeries, ...(meter && { mirrorOf: mirrorOf(meter) }) })
    this.#eventLoop = options.eventLoop === false ? undefined : (options.eventLoop ?? new EventLoopWatch(clock))
    this.#withdraw = meter && offerTo(meter, this.#registry, () => this.#refresh())
  }

  /**
   * All metrics as text, for a scrape. @param accept The caller's `Accept`: OpenMetrics if it asks for that, else the Prometheus format.
   * Never rejects: a depth that the backend does not tell within two seconds is left out.
   */
  async prometheus(accept?: string): Promise<{ readonly contentType: string; readonly text: string }> {
    await this.#refresh()
    const format = formatFor(accept)
    return { contentType: CONTENT_TYPES[format], text: metricsText(this.#registry, format) }
  }

  /** Lets go of the SDK and of the event loop. Queues that are open go on being counted. Works twice. */
  close(): void {
    this.#withdraw?.()
    this.#eventLoop?.stop()
  }

  around(service: QueueService, { name, clock }: { readonly name: string; readonly clock: Clock }): QueueService {
    const watch = this.#watchOf(name, clock)
    const onKey = this.#topKeys > 0 ? { onKey: (key: string) => watch.noteKey(key) } : undefined
    return observedService(service, { queue: name, clock, registry: this.#registry, ...onKey })
  }

  watchQueue(queue: ObservedQueue): () => void {
    return this.#watchOf(queue.name, queue.clock).watchQueue(queue)
  }

  watchConsumer(consumer: ObservedConsumer, queue: string): void {
    this.#watches.get(queue)?.watchConsumer(consumer)
  }

  noteScaling(queue: string, decision: ScalingDecision | undefined): void {
    this.#watches.get(queue)?.noteScaling(decision)
  }

  aroundHandler<Types extends TaskTypes>(handler: Handler<Types>, scope: MiddlewareScope): Handler<Types> {
    return this.#tracing ? this.#tracing(handler, scope) : handler
  }

  aroundBatch<Types extends TaskTypes>(batch: Batch<Types>, scope: MiddlewareScope): Batch<Types> {
    return this.#tracer ? withBatchSpans(batch, scope, this.#tracer) : batch
  }

  sending(queue: string, inputs: readonly TaskInput[]): Sending | undefined {
    return this.#tracer && sendingSpans(this.#tracer, queue, inputs)
  }

  /** One of a queue's name: what is counted outlives the object. */
  #watchOf(name: string, clock: Clock): QueueWatch {
    const known = this.#watches.get(name)
    if (known) return known
    const watch = new QueueWatch({ name, clock, registry: this.#registry, topKeys: this.#topKeys })
    this.#watches.set(name, watch)
    return watch
  }

  async #refresh(): Promise<void> {
    const delay = this.#eventLoop?.read()
    if (delay) {
      this.#registry.series(METRICS.loopMean, {}).set(delay.meanMs / 1_000)
      this.#registry.series(METRICS.loopP99, {}).set(delay.p99Ms / 1_000)
      this.#registry.series(METRICS.loopMax, {}).set(delay.maxMs / 1_000)
    }
    await Promise.all([...this.#watches.values()].map((watch) => watch.refresh()))
  }
}

function whole(path: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  const message = `${path} is a whole number from ${least} to ${most}, not ${value}.`
  throw new ForebayError('INVALID_OPTION', message, { path })
}
