import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Attributes,
  type Context,
  type ContextManager,
  context as contexts,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { LoadLevelingQueue } from '../../queue/load-leveling-queue.ts'
import type { AnyTaskTypes } from '../../queue/task-types.ts'
import { seededRandom } from '../../random.ts'
import type { Handler } from '../handler.ts'
import { LeveledConsumer } from '../leveled-consumer.ts'
import { complete, dead, release, retryIn } from '../outcome.ts'
import { headersOf, spanContextOf, traceHeaders } from './trace-context.ts'
import { tracing } from './tracing.ts'

/** Contexts that follow promises, as the SDK's own manager does it. */
class FollowingContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()
  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(context, () => work.apply(thisArg, args))
  }
  bind<Target>(_context: Context, target: Target): Target {
    return target
  }
  enable(): this {
    return this
  }
  disable(): this {
    return this
  }
}

interface Recorded {
  readonly name: string
  readonly kind: SpanKind | undefined
  readonly parent: SpanContext | undefined
  readonly links: readonly Link[]
  readonly attributes: Attributes
  readonly spanContext: SpanContext
  status?: SpanStatus
  ended: number
}

/** Records spans as the SDK would: a root span has no parent, others have the one of their context. */
class RecordingTracer implements Tracer {
  readonly spans: Recorded[] = []

  startSpan(name: string, options: SpanOptions = {}, context = contexts.active()): Span {
    const parent = options.root ? undefined : trace.getSpanContext(context)
    const nth = (this.spans.length + 1).toString(16)
    const spanContext = {
      traceId: parent?.traceId ?? nth.padStart(32, 'a'),
      spanId: nth.padStart(16, 'b'),
      traceFlags: 1,
    }
    const { kind, links = [], attributes = {} } = options
    const recorded: Recorded = { name, kind, parent, links, attributes: { ...attributes }, spanContext, ended: 0 }
    this.spans.push(recorded)
    const span = {
      spanContext: () => spanContext,
      setAttribute(key: string, value: string) {
        recorded.attributes[key] = value
        return span
      },
      setStatus(status: SpanStatus) {
        recorded.status = status
        return span
      },
      end: () => void recorded.ended++,
      isRecording: () => true,
    }
    return span as unknown as Span
  }

  startActiveSpan<Work extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<Work> {
    const work = rest.at(-1) as Work
    const span = this.startSpan(name)
    return contexts.with(trace.setSpan(contexts.active(), span), () => work(span)) as ReturnType<Work>
  }
}

beforeAll(() => void contexts.setGlobalContextManager(new FollowingContexts()))
afterAll(() => contexts.disable())

async function house(handler: Handler<AnyTaskTypes>, settings = {}) {
  const clock = new VirtualClock()
  const tracer = new RecordingTracer()
  const queue = await LoadLevelingQueue.open('memory:', { name: 'orders', clock, random: seededRandom(1) })
  const use = [tracing({ tracer })]
  const consumer = new LeveledConsumer(queue, handler, { use, random: seededRandom(2), ...settings })
  return { clock, tracer, queue, consumer }
}

describe('tracing', () => {
  it('makes one consumer span for each attempt, with the attributes of the messaging conventions', async () => {
    const { clock, tracer, queue, consumer } = await house(
      (_, { attempt }) => {
        if (attempt === 1) throw new RangeError('out of range')
      },
      { retry: { baseMs: 1 } },
    )
    await queue.enqueue({ type: 'charge', payload: { card: 'secret' }, id: 'o42' })
    await consumer.start()
    await clock.advance(1_000)
    await consumer.stop()
    const attributes = {
      'messaging.system': 'forebay',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'orders',
      'messaging.message.id': 'o42',
      'forebay.task.type': 'charge',
    }
    expect(tracer.spans).toMatchObject([
      {
        name: 'process orders',
        kind: SpanKind.CONSUMER,
        links: [],
        attributes: {
          ...attributes,
          'forebay.task.attempt': 1,
          'forebay.outcome': 'failed',
          'error.type': 'RangeError',
        },
        status: { code: SpanStatusCode.ERROR, message: 'out of range' },
        ended: 1,
      },
      { attributes: { ...attributes, 'forebay.task.attempt': 2, 'forebay.outcome': 'completed' }, ended: 1 },
    ])
    expect(tracer.spans[1]?.status).toBeUndefined()
    expect(JSON.stringify(tracer.spans)).not.toContain('secret')
  })

  it.each([
    [complete({ secret: 1 }), { 'forebay.outcome': 'completed' }, undefined],
    [release(40), { 'forebay.outcome': 'released', 'forebay.delay_ms': 40 }, undefined],
    [
      retryIn(30, 'not yet'),
      { 'forebay.outcome': 'retried', 'forebay.delay_ms': 30, 'error.type': 'retry' },
      { code: SpanStatusCode.ERROR, message: 'not yet' },
    ],
    [
      dead('no such order'),
      { 'forebay.outcome': 'dead', 'error.type': 'dead' },
      { code: SpanStatusCode.ERROR, message: 'no such order' },
    ],
  ])('tells the outcome %o', async (outcome, attributes, status) => {
    const { clock, tracer, queue, consumer } = await house(() => outcome)
    await queue.enqueue({ type: 'charge', payload: 1 })
    await consumer.start()
    await clock.advance(5)
    expect(tracer.spans[0]).toMatchObject({ attributes, ended: 1 })
    expect(tracer.spans[0]?.status).toEqual(status)
    expect(JSON.stringify(tracer.spans)).not.toContain('secret')
    await consumer.stop()
  })

  it('links to the context that the task brought, and is a root itself wherever the consumer was started', async () => {
    const { clock, tracer, queue, consumer } = await house(() => undefined)
    const producer = tracer.startSpan('POST /orders')
    const around = trace.setSpan(ROOT_CONTEXT, producer)
    await contexts.with(around, async () => {
      await queue.enqueue({ type: 'charge', payload: 1, headers: traceHeaders() })
      await consumer.start()
    })
    await clock.advance(10)
    await consumer.stop()
    const [, attempt] = tracer.spans
    expect(attempt?.parent).toBeUndefined()
    expect(attempt?.spanContext.traceId).not.toBe(producer.spanContext().traceId)
    expect(attempt?.links).toEqual([{ context: { ...producer.spanContext(), isRemote: true } }])
  })

  it('has what the handler does below its span, also after the handler waited', async () => {
    const tracers: Tracer[] = []
    const { clock, tracer, queue, consumer } = await house(async () => {
      await Promise.resolve()
      tracers[0]?.startSpan('SELECT').end()
    })
    tracers.push(tracer)
    await queue.enqueueMany([1, 2].map((payload) => ({ type: 'charge', payload })))
    await consumer.start()
    await clock.advance(10)
    await consumer.stop()
    const roots = tracer.spans.filter(({ name }) => name === 'process orders')
    const below = tracer.spans.filter(({ name }) => name === 'SELECT')
    expect(below.map(({ parent }) => parent)).toEqual(roots.map(({ spanContext }) => spanContext))
  })

  it('ends the span of a handler that never ends, when its slot is taken back', async () => {
    const { clock, tracer, queue, consumer } = await house(() => new Promise(() => {}), {
      timeoutMs: 500,
      retry: { maxAttempts: 1 },
    })
    await queue.enqueue({ type: 'charge', payload: 1 })
    await consumer.start()
    await clock.advance(1_499)
    expect(tracer.spans).toMatchObject([{ ended: 0 }])
    await clock.advance(2)
    expect(tracer.spans).toMatchObject([{ ended: 1, attributes: { 'error.type': 'TASK_TIMEOUT' } }])
    await consumer.stop()
  })

  it('without an SDK does nothing, and harms nothing', async () => {
    const clock = new VirtualClock()
    const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
    const consumer = new LeveledConsumer(queue, () => undefined, { use: [tracing()], random: seededRandom(2) })
    await queue.enqueue({ type: 'charge', payload: 1, headers: traceHeaders() })
    await consumer.start()
    await clock.advance(10)
    await consumer.stop()
    expect(await queue.depth()).toMatchObject({ totals: { completed: 1 } })
  })
})

describe('the trace context of a task', () => {
  const hex = (digits: number) =>
    fc
      .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits })
      .filter((text) => !/^0+$/.test(text))

  it('comes back as it went, whatever it was', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 255 }), (traceId, spanId, traceFlags) => {
        expect(spanContextOf(headersOf({ traceId, spanId, traceFlags }))).toEqual({
          traceId,
          spanId,
          traceFlags,
          isRemote: true,
        })
      }),
    )
  })

  const ID = '4bf92f3577b34da6a3ce929d0e0e4736'
  const SPAN = '00f067aa0ba902b7'

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['capital letters', `00-${ID.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${ID}-${'0'.repeat(16)}-01`],
    ['the version that is not allowed', `ff-${ID}-${SPAN}-01`],
    ['more than its version has', `00-${ID}-${SPAN}-01-more`],
    ['less than its version has', `00-${ID}-${SPAN}`],
    ['a long text', '0'.repeat(50_000)],
  ])('is not there with %s', (_, traceparent) => {
    expect(spanContextOf(traceparent === undefined ? {} : { traceparent })).toBeUndefined()
  })

  it('is read from a later version as far as it is known, and takes the state along', () => {
    const headers = { traceparent: `cc-${ID}-${SPAN}-01-what-comes`, tracestate: 'vendor=a,other=b' }
    const context = spanContextOf(headers)
    expect(context).toMatchObject({ traceId: ID, spanId: SPAN, traceFlags: 1 })
    expect(headersOf(context as SpanContext)).toEqual({ ...headers, traceparent: `00-${ID}-${SPAN}-01` })
  })

  it('leaves out a state that is longer than must be passed on', () => {
    const traceState = { serialize: () => 'x'.repeat(513) } as SpanContext['traceState'] & object
    const headers = headersOf({ traceId: ID, spanId: SPAN, traceFlags: 0, traceState })
    expect(headers).toEqual({ traceparent: `00-${ID}-${SPAN}-00` })
  })

  it('is empty where no span is active', () => {
    expect(traceHeaders()).toEqual({})
  })
})
