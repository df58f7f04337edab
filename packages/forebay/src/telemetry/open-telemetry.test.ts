/** What an OpenTelemetry SDK sees: the metrics as a reader collects them, the spans as an exporter gets them. */

import { context as contexts, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { DataPointType, MeterProvider, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { batch, type Handler } from '../consumer/handler.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { AnyMiddleware } from '../consumer/middleware/compose.ts'
import { dead } from '../consumer/outcome.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import { seededRandom } from '../random.ts'
import { METRICS } from './metrics.ts'
import { createTelemetry, type TelemetryOptions } from './telemetry.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const BROUGHT = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'vendor=a' }

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
beforeAll(() => {
  contexts.setGlobalContextManager(new StackContextManager().enable())
})
afterAll(() => {
  contexts.disable()
})

function sdk(sampled = true) {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor({ exporter })]
  const tracerProvider = new TracerProvider({ spanProcessors, ...(!sampled && { sampler: new AlwaysOffSampler() }) })
  const reader = new Reader()
  const meterProvider = new MeterProvider({ readers: [reader] })
  return { exporter, tracerProvider, reader, meterProvider }
}

async function house(handler: Handler<AnyTaskTypes>, options: TelemetryOptions) {
  const clock = new VirtualClock()
  const telemetry = createTelemetry({ eventLoop: false, clock, ...options })
  closing.push(() => telemetry.close())
  const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', clock, random: seededRandom(1), telemetry })
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2) })
  return { clock, telemetry, queue, consumer }
}

function pointsOf({ scopeMetrics }: ResourceMetrics, name: string) {
  const found = scopeMetrics.flatMap((scope) => scope.metrics).find(({ descriptor }) => descriptor.name === name)
  return { descriptor: found?.descriptor, type: found?.dataPointType, points: found?.dataPoints ?? [] }
}

describe('metrics', () => {
  it('are those of the Prometheus text, by their OpenTelemetry names, units and attributes', async () => {
    const { reader, meterProvider } = sdk()
    const { clock, queue, consumer } = await house(() => undefined, { meterProvider, tracerProvider: false })
    await queue.enqueueMany([1, 2, 3].map((payload) => ({ type: 'charge', payload })))
    await consumer.start()
    await clock.advance(100)
    const { resourceMetrics, errors } = await reader.collect()
    expect(errors).toEqual([])
    const accepted = pointsOf(resourceMetrics, 'forebay.tasks.accepted')
    expect(accepted).toMatchObject({
      type: DataPointType.SUM,
      descriptor: { unit: '{task}' },
      points: [{ value: 3, attributes: { 'messaging.destination.name': 'orders', 'forebay.task.type': 'charge' } }],
    })
    const processed = pointsOf(resourceMetrics, 'messaging.process.duration')
    expect(processed).toMatchObject({
      type: DataPointType.HISTOGRAM,
      descriptor: { unit: 's' },
      points: [
        {
          value: { count: 3, buckets: { boundaries: METRICS.processDuration.buckets.bounds } },
          attributes: {
            'messaging.system': 'forebay',
            'messaging.operation.name': 'process',
            'messaging.destination.name': 'orders',
          },
        },
      ],
    })
    expect(pointsOf(resourceMetrics, 'messaging.client.sent.messages').points).toMatchObject([{ value: 3 }])
    expect(pointsOf(resourceMetrics, 'messaging.client.consumed.messages').points).toMatchObject([{ value: 3 }])
    const operations = pointsOf(resourceMetrics, 'messaging.client.operation.duration').points
    expect(operations.map(({ attributes }) => attributes['messaging.operation.name'])).toContain('push')
    const states = pointsOf(resourceMetrics, 'forebay.queue.depth')
    expect(states.type).toBe(DataPointType.GAUGE)
    expect(states.points).toContainEqual(
      expect.objectContaining({
        value: 0,
        attributes: { 'messaging.destination.name': 'orders', 'forebay.state': 'ready' },
      }),
    )
    await consumer.stop()
  })

  it('come from the provider that is registered, and end with close', async () => {
    const { reader, meterProvider } = sdk()
    metrics.setGlobalMeterProvider(meterProvider)
    closing.push(() => metrics.disable())
    const { telemetry, queue } = await house(() => undefined, { tracerProvider: false })
    await queue.enqueue({ type: 'charge', payload: 1 })
    const seen = await reader.collect()
    expect(pointsOf(seen.resourceMetrics, 'forebay.tasks.accepted').points).toHaveLength(1)
    telemetry.close()
    telemetry.close()
    await queue.enqueue({ type: 'charge', payload: 2 })
    const after = await reader.collect()
    // The SDK repeats what it was told last.
    expect(pointsOf(after.resourceMetrics, 'forebay.tasks.accepted').points).toMatchObject([{ value: 1 }])
  })
})

describe('spans', () => {
  it('are one of the producer and one of the consumer, which links to it', async () => {
    const { exporter, tracerProvider } = sdk()
    const { clock, queue, consumer } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const tracer = tracerProvider.getTracer('test')
    const { id } = await tracer.startActiveSpan('POST /orders', async (request) => {
      const enqueued = queue.enqueue({ type: 'charge', payload: 'canary' })
      request.end()
      return enqueued
    })
    await consumer.start()
    await clock.advance(100)
    await consumer.stop()
    const [request, sent, processed] = exporter.getFinishedSpans()
    expect(request?.name).toBe('POST /orders')
    expect(sent).toMatchObject({ name: 'send orders', kind: SpanKind.PRODUCER })
    expect(sent?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
    expect(sent?.attributes).toEqual({
      'messaging.system': 'forebay',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'orders',
      'messaging.message.id': id,
    })
    expect(processed).toMatchObject({ name: 'process orders', kind: SpanKind.CONSUMER })
    expect(processed?.spanContext().traceId).not.toBe(sent?.spanContext().traceId)
    expect(processed?.links.map(({ context }) => [context.traceId, context.spanId])).toEqual([
      [sent?.spanContext().traceId, sent?.spanContext().spanId],
    ])
    expect(JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes))).not.toContain('canary')
  })

  it('continue a context that the task brought, tracestate included', async () => {
    const { exporter, tracerProvider } = sdk()
    const { queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const { id } = await queue.enqueue({ type: 'charge', payload: 1, headers: { ...BROUGHT, mine: 'kept' } })
    const [sent] = exporter.getFinishedSpans()
    expect(sent?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: SPAN, isRemote: true })
    const found = await queue.find(id)
    const headers = found && 'task' in found ? found.task.headers : {}
    expect(headers).toEqual({
      mine: 'kept',
      traceparent: `00-${TRACE}-${sent?.spanContext().spanId}-01`,
      tracestate: 'vendor=a',
    })
  })

  it('of many tasks are one for those that bring the same context, and tell how many', async () => {
    const { exporter, tracerProvider } = sdk()
    const { queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const plain = { type: 'charge', payload: 1 }
    await queue.enqueueMany([plain, { ...plain, headers: BROUGHT }, plain, { ...plain, headers: BROUGHT }, plain])
    const sent = exporter.getFinishedSpans()
    const counts = sent.map(({ attributes }) => attributes['messaging.batch.message_count'])
    expect(counts).toEqual([3, 2])
    expect(sent.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([undefined, SPAN])
  })

  it('tell what was refused, also what is no task at all', async () => {
    const { exporter, tracerProvider } = sdk()
    const { queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const wrong = [null, 'text', { type: '', payload: 1 }, { type: 'a', payload: 1, headers: { a: 1 } }] as never[]
    const results = await queue.enqueueMany(wrong)
    expect(results.map(({ status }) => status)).toEqual(['refused', 'refused', 'refused', 'refused'])
    expect(exporter.getFinishedSpans()).toMatchObject([
      { attributes: { 'error.type': 'INVALID_TASK' }, status: { code: SpanStatusCode.ERROR } },
    ])
  })

  it('go without a word where a task has no room for the context: it is not refused for that', async () => {
    const { tracerProvider } = sdk()
    const { queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const headers = { long: 'x'.repeat(8_170) }
    const { id } = await queue.enqueue({ type: 'charge', payload: 1, headers })
    expect(await queue.find(id)).toMatchObject({ task: { headers } })
  })

  it('that are not sampled pass their context on all the same', async () => {
    const { exporter, tracerProvider } = sdk(false)
    const { queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const { id } = await queue.enqueue({ type: 'charge', payload: 1 })
    expect(exporter.getFinishedSpans()).toEqual([])
    const found = await queue.find(id)
    expect(found).toMatchObject({ task: { headers: { traceparent: expect.stringMatching(/-00$/) } } })
  })

  it('come from the provider that is registered', async () => {
    const { exporter, tracerProvider } = sdk()
    trace.setGlobalTracerProvider(tracerProvider)
    closing.push(() => trace.disable())
    const { clock, queue, consumer } = await house(() => dead('no'), { meterProvider: false })
    await queue.enqueue({ type: 'charge', payload: 1 })
    await consumer.start()
    await clock.advance(100)
    await consumer.stop()
    expect(exporter.getFinishedSpans()).toMatchObject([
      { name: 'send orders' },
      { name: 'process orders', attributes: { 'forebay.outcome': 'dead' } },
    ])
  })

  it('stand round all that the consumer uses, and the handler works below them', async () => {
    const { exporter, tracerProvider } = sdk()
    const telemetry = createTelemetry({ tracerProvider, meterProvider: false, eventLoop: false })
    const clock = new VirtualClock()
    const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', clock, random: seededRandom(1), telemetry })
    const active: (string | undefined)[] = []
    const look = () => void active.push(trace.getActiveSpan()?.spanContext().spanId)
    const use: AnyMiddleware[] = [
      (next) => (task, context) => {
        look()
        return next(task, context)
      },
    ]
    const consumer = new LeveledConsumer(queue, look, { use, random: seededRandom(2) })
    await queue.enqueue({ type: 'charge', payload: 1 })
    await consumer.start()
    await clock.advance(100)
    await consumer.stop()
    const processed = exporter
      .getFinishedSpans()
      .find(({ kind }) => kind === SpanKind.CONSUMER)
      ?.spanContext().spanId
    expect(processed).toBeDefined()
    expect(active).toEqual([processed, processed])
  })

  it('of a batch are one, which links to each producer that its tasks have', async () => {
    const { exporter, tracerProvider } = sdk()
    const { clock, telemetry, queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    let active: string | undefined
    const together = batch<AnyTaskTypes>(
      () => {
        active = trace.getActiveSpan()?.spanContext().spanId
      },
      { maxTasks: 3, maxWaitMs: 10 },
    )
    const consumer = new LeveledConsumer(queue, together, { random: seededRandom(3) })
    await queue.enqueueMany([1, 2].map((payload) => ({ type: 'charge', payload })))
    await queue.enqueue({ type: 'charge', payload: 3 })
    await consumer.start()
    await clock.advance(100)
    await consumer.stop()
    const [first, second, processed, ...more] = exporter.getFinishedSpans()
    expect(more).toEqual([])
    expect(processed).toMatchObject({
      name: 'process orders',
      kind: SpanKind.CONSUMER,
      attributes: { 'messaging.batch.message_count': 3 },
      status: { code: SpanStatusCode.UNSET },
    })
    expect(processed?.links.map(({ context }) => context.spanId)).toEqual(
      [first, second].map((sent) => sent?.spanContext().spanId),
    )
    expect(active).toBe(processed?.spanContext().spanId)
    expect((await telemetry.prometheus()).text).toContain(
      'forebay_tasks_completed_total{queue="orders",type="charge"} 3',
    )
  })

  it('of a batch that fails say so', async () => {
    const { exporter, tracerProvider } = sdk()
    const { clock, queue } = await house(() => undefined, { tracerProvider, meterProvider: false })
    const failing = batch<AnyTaskTypes>(() => Promise.reject(new RangeError('too many')), { maxTasks: 2 })
    const consumer = new LeveledConsumer(queue, failing, { random: seededRandom(3), retry: { maxAttempts: 1 } })
    await queue.enqueue({ type: 'charge', payload: 1 })
    await consumer.start()
    await clock.advance(100)
    await consumer.stop()
    expect(exporter.getFinishedSpans()[1]).toMatchObject({
      attributes: { 'error.type': 'RangeError' },
      status: { code: SpanStatusCode.ERROR, message: 'too many' },
    })
  })

  it('are not made where nobody records: the task goes on as it came', async () => {
    const handler: Handler<AnyTaskTypes> = () => undefined
    const { telemetry, queue } = await house(handler, {})
    const scope = { queue: 'orders', types: undefined, clock: new VirtualClock() }
    expect(telemetry.aroundHandler(handler, scope)).toBe(handler)
    const { id } = await queue.enqueue({ type: 'charge', payload: 1, headers: BROUGHT })
    expect(await queue.find(id)).toMatchObject({ task: { headers: BROUGHT } })
  })
})
