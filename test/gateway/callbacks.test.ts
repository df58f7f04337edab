import { describe, expect, it } from 'vitest'
import type { CallbackBody } from '../../packages/forebay/src/gateway/callbacks.ts'
import { openGateway, postJson, startGateway, startTarget, jsonOf } from './running.ts'

const bodyOf = (body: Buffer | undefined) => JSON.parse(String(body)) as CallbackBody

describe('a callback', () => {
  it('posts what the target answered to the URL that the producer named', async () => {
    const receiver = await startTarget()
    const target = await startTarget((_request, response) => response.writeHead(201).end('made'))
    const { url } = await startGateway({ orders: { target: target.url, callbacks: true } })
    const headers = { 'forebay-callback-url': `${receiver.url}/done?for=me` }
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1, id: 'one' }, headers)
    await receiver.has(1)
    const [request] = receiver.received
    expect(request).toMatchObject({
      method: 'POST',
      url: '/done?for=me',
      headers: { 'content-type': 'application/json' },
    })
    expect(bodyOf(request?.body)).toMatchObject({
      id: 'one',
      queue: 'orders',
      state: 'completed',
      result: { status: 201, body: 'made' },
    })
  })

  it('comes for a request through the gateway as well', async () => {
    const receiver = await startTarget()
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url, callbacks: true } })
    const headers = { prefer: 'respond-async', 'forebay-callback-url': receiver.url }
    const response = await fetch(`${url}/v1/through/api/x`, { headers })
    await receiver.has(1)
    expect(bodyOf(receiver.received[0]?.body)).toMatchObject({
      id: (await jsonOf<{ id: string }>(response)).id,
      state: 'completed',
    })
    expect(target.received[0]?.headers['forebay-callback-url']).toBeUndefined()
  })

  it.each([
    ['refused', 400, 'The target answered 400.'],
    ['out of attempts', 500, 'The target answered 500.'],
  ])('tells once of a task that is dead because it was %s', async (_why, status, message) => {
    const receiver = await startTarget()
    const target = await startTarget((request, response) =>
      response.writeHead(request.headers['forebay-task-id'] === 'bad' ? status : 200).end(),
    )
    const { url } = await startGateway({ orders: { target: target.url, callbacks: true } })
    const headers = { 'forebay-callback-url': receiver.url }
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1, id: 'bad' }, headers)
    await receiver.has(1)
    // The second callback is of the second task: the first death was told once, though handler and event both know of it.
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1, id: 'good' }, headers)
    await receiver.has(2)
    const told = receiver.received.map(({ body }) => bodyOf(body))
    expect(told[0]).toMatchObject({ id: 'bad', state: 'dead', failure: { code: 'TARGET_FAILED', message } })
    expect(told.map(({ id }) => id)).toEqual(['bad', 'good'])
  })

  it('tells of a task that expired', async () => {
    const receiver = await startTarget()
    const { url, gateway } = await startGateway({
      orders: { target: 'http://127.0.0.1:9', paused: true, callbacks: true },
    })
    await postJson(
      `${url}/v1/queues/orders/tasks`,
      { payload: 1, id: 'late', ttlMs: 1 },
      { 'forebay-callback-url': receiver.url },
    )
    // The answer to this second task's look-up takes longer than a millisecond to come and go.
    while (((await gateway.queues.get('orders')?.queue.depth())?.oldestReadyAgeMs ?? 0) <= 1)
      await fetch(`${url}/healthz`)
    gateway.queues.get('orders')?.consumer.resume()
    await receiver.has(1)
    expect(bodyOf(receiver.received[0]?.body)).toEqual({ id: 'late', queue: 'orders', state: 'expired' })
  })

  it('is refused where the queue is not configured for it', async () => {
    const gateway = await openGateway({ orders: { target: 'http://127.0.0.1:9', paused: true } })
    const headers = { 'forebay-callback-url': 'http://127.0.0.1:1/' }
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/orders/tasks',
      payload: { payload: 1 },
      headers,
    })
    expect([response.statusCode, response.json().error.message]).toEqual([
      400,
      expect.stringContaining('callbacks: true'),
    ])
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })
})
