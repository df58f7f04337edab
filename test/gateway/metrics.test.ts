/** GET /metrics, and the trace context on its way from a caller to the target. */

import { context as contexts } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTelemetry } from '../../packages/forebay/src/telemetry/telemetry.ts'
import { jsonOf, openGateway, postJson, startGateway, startTarget } from './running.ts'

const TOKEN = 'correct-horse-battery'
const never = { target: 'http://127.0.0.1:9', paused: true }

describe('GET /metrics', () => {
  it('tells what went through the queues, in the format that was asked for', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ orders: { target: target.url } })
    await postJson(`${url}/v1/queues/orders/tasks`, { type: 'charge', payload: 1 })
    await target.has(1)
    const response = await fetch(`${url}/metrics`)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    expect(text).toContain('\nforebay_tasks_accepted_total{queue="orders",type="charge"} 1\n')
    expect(text).toContain('\nforebay_consumers{queue="orders",state="running"} 1\n')
    expect(text).toMatch(/\nnodejs_eventloop_delay_max_seconds [\d.e-]+\n/)
    const open = await fetch(`${url}/metrics`, { headers: { accept: 'application/openmetrics-text; version=1.0.0' } })
    expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    expect(await open.text()).toMatch(/# EOF\n$/)
  })

  it('asks for a token where the gateway has tokens', async () => {
    const gateway = await openGateway({ orders: never }, { tokens: [TOKEN] })
    for (const url of ['/metrics', '/%6detrics', '/metrics/', '/METRICS']) {
      expect((await gateway.app.inject(url)).statusCode).toBe(401)
    }
    const authorization = `Bearer ${TOKEN}`
    expect((await gateway.app.inject({ url: '/metrics', headers: { authorization } })).statusCode).toBe(200)
  })

  it('can be switched off, and says so', async () => {
    const gateway = await openGateway({ orders: never }, { metrics: false })
    const response = await gateway.app.inject('/metrics')
    expect(response.statusCode).toBe(404)
    expect(response.json().error.message).toContain('metrics: false')
  })

  it('shows the most frequent keys where that is configured, and no more series than that', async () => {
    const gateway = await openGateway({ orders: never }, { metrics: { topKeys: 1, maxSeries: 400 } })
    const batch = Array.from({ length: 300 }, (_, n) => ({
      type: `type-${n}`,
      payload: n,
      key: n % 2 ? 'hot' : `k${n}`,
    }))
    const posted = await gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload: batch })
    expect(posted.statusCode).toBe(202)
    const samples = (await gateway.app.inject('/metrics')).body.split('\n').filter((line) => /^[^#]/.test(line))
    expect(samples).toContain('forebay_key_tasks{queue="orders",key="hot"} 150')
    expect(samples.length).toBeLessThanOrEqual(400)
    expect(samples.some((line) => line.startsWith('forebay_tasks_offered_total{queue="other",type="other"}'))).toBe(
      true,
    )
  })

  it.each([
    [{ topKey: 1 }, /metrics\.topKey: .*topKeys/],
    [{ topKeys: 51 }, /metrics\.topKeys: .*50/],
    ['yes', /metrics: is true, false, or a mapping/],
  ])('says what is wrong with %j', async (metrics, words) => {
    await expect(openGateway({ orders: never }, { metrics })).rejects.toThrow(words)
  })

  it('takes a plain true for what it is by default', async () => {
    const gateway = await openGateway({ orders: never }, { metrics: true })
    expect(gateway.config.metrics).toEqual({ maxSeries: 1_000, topKeys: 0 })
  })
})

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`

describe('the trace context of a caller', () => {
  it.each([
    [
      'a task',
      (url: string) => postJson(`${url}/v1/queues/api/tasks`, { payload: 1 }, { traceparent, tracestate: 'a=b' }),
    ],
    ['a request', (url: string) => fetch(`${url}/v1/through/api/x`, { headers: { traceparent, tracestate: 'a=b' } })],
  ])('goes with %s to the target where nobody records spans', async (_what, send) => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url } })
    await send(url)
    await target.has(1)
    expect(target.received[0]?.headers).toMatchObject({ traceparent, tracestate: 'a=b' })
  })

  it('is left out if it is malformed', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url } })
    await postJson(`${url}/v1/queues/api/tasks`, { payload: 1 }, { traceparent: '00-nonsense' })
    await target.has(1)
    expect(target.received[0]?.headers.traceparent).toBeUndefined()
  })

  it('does not get a request refused that just fits', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url } })
    const send = (length: number, more: Record<string, string> = {}) =>
      fetch(`${url}/v1/through/api/x`, { headers: { 'idempotency-key': 'k', long: 'x'.repeat(length), ...more } })
    expect((await send(8_300)).status).toBe(400)
    // The request's own headers hold it as well: those must fit, and what is ours beside them need not.
    const { status } = await send(7_500, { traceparent })
    expect(status).toBe(200)
  })

  it('is continued by the spans of producer and consumer', async () => {
    contexts.setGlobalContextManager(new StackContextManager().enable())
    onTestFinished(() => contexts.disable())
    const exporter = new InMemorySpanExporter()
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
    const telemetry = createTelemetry({ tracerProvider, eventLoop: false })
    const target = await startTarget()
    const gateway = await openGateway({ api: { target: target.url } }, {}, { telemetry })
    const url = await gateway.start()
    await postJson(`${url}/v1/queues/api/tasks`, { payload: 1 }, { traceparent })
    await target.has(1)
    await gateway.stop()
    const [sent, processed] = exporter.getFinishedSpans()
    expect(sent).toMatchObject({ name: 'send api', parentSpanContext: { traceId: TRACE, spanId: '00f067aa0ba902b7' } })
    expect(processed).toMatchObject({ name: 'process api' })
    expect(processed?.links[0]?.context).toMatchObject({ traceId: TRACE, spanId: sent?.spanContext().spanId })
    const attempt = processed?.spanContext()
    expect(target.received[0]?.headers.traceparent).toBe(`00-${attempt?.traceId}-${attempt?.spanId}-01`)
  })

  it('of a batch is one span, however many tasks', async () => {
    const exporter = new InMemorySpanExporter()
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
    const telemetry = createTelemetry({ tracerProvider, eventLoop: false })
    const gateway = await openGateway({ api: never }, {}, { telemetry })
    const url = await gateway.start()
    const { accepted } = await jsonOf<{ accepted: number }>(
      postJson(`${url}/v1/queues/api/tasks`, [{ payload: 1 }, { payload: 2 }], { traceparent }),
    )
    expect(accepted).toBe(2)
    expect(exporter.getFinishedSpans()).toMatchObject([
      { attributes: { 'messaging.batch.message_count': 2 }, parentSpanContext: { traceId: TRACE } },
    ])
  })
})
