import { describe, expect, it } from 'vitest'
import type { GatewayQueue } from '../../packages/forebay/src/gateway/gateway-queue.ts'
import { postJson, type Respond, startGateway, startTarget } from './running.ts'

/** The next of these events of a queue's consumer. */
function next(queue: GatewayQueue | undefined, name: 'completed' | 'dead' | 'retried' | 'released' | 'held') {
  return new Promise<Record<string, unknown>>((resolve) => {
    const off = queue?.consumer.on(name, (event) => {
      off?.()
      resolve(event as unknown as Record<string, unknown>)
    })
  })
}

async function deliverTo(respond: Respond, settings: Readonly<Record<string, unknown>> = {}) {
  const target = await startTarget(respond)
  const running = await startGateway({ orders: { target: target.url, ...settings } })
  const queue = running.gateway.queues.get('orders')
  const send = () => postJson(`${running.url}/v1/queues/orders/tasks`, { payload: { n: 1 }, id: 'task-1' })
  return { ...running, target, queue, send }
}

describe('what becomes of a task', () => {
  it('completes on 2xx', async () => {
    const { queue, send } = await deliverTo((_request, response) => response.writeHead(204).end())
    const completed = next(queue, 'completed')
    await send()
    expect(await completed).toMatchObject({ result: { status: 204 } })
  })

  it.each([400, 401, 404, 409, 422])('is dead at once on %i', async (status) => {
    const { queue, send, target } = await deliverTo((_request, response) =>
      response.writeHead(status).end('no such order'),
    )
    const dead = next(queue, 'dead')
    await send()
    expect(await dead).toMatchObject({
      reason: 'refused',
      failure: { message: `The target answered ${status}: no such order` },
    })
    expect(target.received).toHaveLength(1)
  })

  it('is retried on 4xx with onClientError: retry', async () => {
    const { send, queue, target } = await deliverTo(
      (_request, response, nth) => response.writeHead(nth === 1 ? 404 : 200).end(),
      { onClientError: 'retry' },
    )
    const completed = next(queue, 'completed')
    await send()
    await completed
    expect(target.received.map(({ headers }) => headers['forebay-attempt'])).toEqual(['1', '2'])
  })

  it('is done with the answer on 4xx with onClientError: complete', async () => {
    const { send, queue } = await deliverTo((_request, response) => response.writeHead(404).end('none'), {
      onClientError: 'complete',
    })
    const completed = next(queue, 'completed')
    await send()
    expect(await completed).toMatchObject({ result: { status: 404, body: 'none' } })
  })

  it.each([500, 502, 504, 429, 503])('is retried on %i and dead once its attempts are used up', async (status) => {
    const { queue, send, target } = await deliverTo((_request, response) => response.writeHead(status).end())
    const dead = next(queue, 'dead')
    await send()
    expect(await dead).toMatchObject({ reason: 'attempts-exhausted', failure: { code: 'TARGET_FAILED', attempt: 3 } })
    expect(target.received).toHaveLength(3)
  })

  it('is retried when the connection breaks, and says why', async () => {
    const { queue, send, target } = await deliverTo((_request, response, nth) =>
      nth === 1 ? response.destroy() : response.end('fine'),
    )
    const retried = next(queue, 'retried')
    const completed = next(queue, 'completed')
    await send()
    expect(await retried).toMatchObject({
      failure: { code: 'TARGET_FAILED', message: expect.stringMatching(/^The target gave no answer: /) },
    })
    await completed
    expect(target.received).toHaveLength(2)
  })

  it('is retried when the target does not answer in time', async () => {
    const target = await startTarget((_request, response, nth) => nth > 1 && response.end())
    const { url, gateway } = await startGateway({ orders: { target: { url: target.url, timeoutMs: 50 } } })
    const queue = gateway.queues.get('orders')
    const retried = next(queue, 'retried')
    const completed = next(queue, 'completed')
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 })
    expect(await retried).toMatchObject({ failure: { code: 'TASK_TIMEOUT' } })
    await completed
  })

  it('is dead on a redirect, which is not followed', async () => {
    const inner = await startTarget()
    const { queue, send } = await deliverTo((_request, response) =>
      response.writeHead(302, { location: inner.url }).end(),
    )
    const dead = next(queue, 'dead')
    await send()
    expect(await dead).toMatchObject({
      reason: 'refused',
      failure: { message: expect.stringContaining('Redirects are not followed') },
    })
    expect(inner.received).toHaveLength(0)
  })

  it.each([429, 503])('goes back unharmed on %i with Retry-After, and nothing starts meanwhile', async (status) => {
    const { queue, send, url, target } = await deliverTo((_request, response, nth) => {
      if (nth === 1) response.writeHead(status, { 'retry-after': '7200' })
      response.end()
    })
    const held = next(queue, 'held')
    const released = next(queue, 'released')
    await send()
    // Two hours are cut to the bound of five minutes.
    expect(await held).toEqual({ delayMs: 300_000 })
    expect(await released).toMatchObject({ delayMs: 300_000 })
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 2, id: 'task-2' })
    expect(await (await fetch(`${url}/v1/tasks/task-1`)).json()).toMatchObject({
      state: 'delayed',
      attempts: 0,
      failures: [],
    })
    expect(await (await fetch(`${url}/v1/tasks/task-2`)).json()).toMatchObject({ state: 'ready' })
    expect(target.received).toHaveLength(1)
  })

  it('sets the configured headers and method', async () => {
    const target = await startTarget()
    const headers = { Authorization: 'Bearer of-the-target', 'Content-Type': 'application/vnd.orders+json' }
    const { url } = await startGateway({ orders: { target: { url: target.url, method: 'PUT', headers } } })
    await postJson(
      `${url}/v1/queues/orders/tasks`,
      { payload: 1 },
      { authorization: 'Bearer of-the-caller', cookie: 'session=1' },
    )
    await target.has(1)
    const [request] = target.received
    expect(request).toMatchObject({ method: 'PUT' })
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer of-the-target',
      'content-type': 'application/vnd.orders+json',
    })
    expect(request?.headers.cookie).toBeUndefined()
  })
})

describe('an answer that is too large', () => {
  it('completes the task, without keeping the body', async () => {
    const target = await startTarget((_request, response) => {
      const more = () => response.write(Buffer.alloc(65_536)) && setImmediate(more)
      response.on('drain', more).writeHead(200)
      more()
    })
    const { url, gateway } = await startGateway({ orders: { target: target.url } }, { replyBytes: 100_000 })
    const completed = next(gateway.queues.get('orders'), 'completed')
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 })
    expect(await completed).toMatchObject({ result: { status: 200, bodyOmitted: true } })
  })
})
