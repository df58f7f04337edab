import { describe, expect, it } from 'vitest'
import { openGateway, postJson, startGateway, startTarget, jsonOf } from './running.ts'

const never = { target: 'http://127.0.0.1:9', paused: true }

describe('POST /v1/queues/:queue/tasks', () => {
  it('answers 202 with the id and delivers the payload with headers that name the task', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ orders: { target: `${target.url}/charge?key=1` } })
    const response = await postJson(`${url}/v1/queues/orders/tasks`, {
      type: 'charge',
      payload: { order: 42 },
      id: 'o 42',
    })
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({
      id: 'o 42',
      status: 'accepted',
      statusUrl: '/v1/tasks/o%2042?queue=orders',
    })
    await target.has(1)
    const [request] = target.received
    expect(request).toMatchObject({ method: 'POST', url: '/charge?key=1' })
    expect(JSON.parse(String(request?.body))).toEqual({ order: 42 })
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'forebay-task-id': 'o%2042',
      'forebay-task-type': 'charge',
      'forebay-attempt': '1',
      'idempotency-key': 'o%2042',
    })
  })

  it('takes an array, each task on its own merits, and says 207 if some were refused', async () => {
    const gateway = await openGateway({ orders: never })
    const payload = [{ payload: 1, id: 'a' }, { payload: 2, priority: 5_000 }, { payload: 3, id: 'a' }, 7]
    const response = await gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload })
    expect(response.statusCode).toBe(207)
    expect(response.json()).toMatchObject({
      accepted: 1,
      duplicates: 1,
      refused: 2,
      results: [
        { status: 'accepted', id: 'a' },
        { status: 'refused', error: { code: 'INVALID_TASK', path: 'priority' } },
        { status: 'duplicate', id: 'a' },
        { status: 'refused', error: { code: 'INVALID_TASK' } },
      ],
    })
  })

  it('takes NDJSON line by line, also lines that are split anywhere, blank ones and a last one without an end', async () => {
    const gateway = await openGateway({ orders: never })
    const lines = Array.from({ length: 1_201 }, (_, index) =>
      JSON.stringify({ payload: { text: `é ${index}` }, id: `n${index}` }),
    )
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/orders/tasks',
      headers: { 'content-type': 'application/x-ndjson' },
      payload: `\r\n${lines.join('\n\n')}`,
    })
    expect(response.statusCode).toBe(202)
    const body = response.json()
    expect(body).toMatchObject({ accepted: 1_201, refused: 0 })
    expect(body.results[1_200]).toEqual({ status: 'accepted', id: 'n1200' })
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(1_201)
  })

  it('tells which line is not JSON, and stores the others', async () => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/orders/tasks',
      headers: { 'content-type': 'application/x-ndjson' },
      payload: '{"payload":1}\n{"payload":nope}\n{"payload":3}\n',
    })
    expect(response.statusCode).toBe(207)
    const { results } = response.json()
    expect(results[1]).toMatchObject({ status: 'refused', error: { code: 'INVALID_JSON' } })
    expect(results[1].error.message).toMatch(/^Task 2 .* at position 12/)
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(2)
  })

  it('refuses with 429 and whole seconds of Retry-After when the queue is full, one task or all of many', async () => {
    const gateway = await openGateway({ orders: { ...never, maxDepth: 1 } })
    const post = (payload: object) => gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload })
    expect((await post({ payload: 1 })).statusCode).toBe(202)
    for (const refused of [await post({ payload: 2 }), await post([{ payload: 3 }, { payload: 4 }])]) {
      expect(refused.statusCode).toBe(429)
      expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(refused.json().error).toMatchObject({ code: 'QUEUE_FULL', todo: expect.any(String) })
      expect(refused.json().error.retryAfterMs).toBeLessThanOrEqual(Number(refused.headers['retry-after']) * 1_000)
    }
  })

  it('answers 202 for a duplicate, and 409 for a dedup id that belongs to another task', async () => {
    const gateway = await openGateway({ orders: never })
    const post = (payload: object) => gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload })
    const first = (await post({ payload: 1, dedupId: 'd' })).json()
    const second = await post({ payload: 1, dedupId: 'd' })
    expect([second.statusCode, second.json().status, second.json().id]).toEqual([202, 'duplicate', first.id])
    const third = await post({ payload: 2, dedupId: 'd' })
    expect([third.statusCode, third.json().error.code]).toEqual([409, 'DEDUP_CONFLICT'])
  })

  it.each([
    ['a queue that is not there', '/v1/queues/nope/tasks', { payload: 1 }, 404, 'UNKNOWN_QUEUE'],
    ['a missing payload', '/v1/queues/orders/tasks', {}, 422, 'INVALID_PAYLOAD'],
    ['a field that no task has', '/v1/queues/orders/tasks', { payload: 1, delay: 5 }, 400, 'INVALID_TASK'],
    [
      'task headers, which are not for callers',
      '/v1/queues/orders/tasks',
      { payload: 1, headers: { a: 'b' } },
      400,
      'INVALID_TASK',
    ],
    ['an empty array', '/v1/queues/orders/tasks', [], 400, 'INVALID_REQUEST'],
    [
      'a payload over the bound of the queue',
      '/v1/queues/orders/tasks',
      { payload: 'x'.repeat(300_000) },
      413,
      'PAYLOAD_TOO_LARGE',
    ],
  ])('refuses %s', async (_what, url, payload, status, code) => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject({ method: 'POST', url, payload })
    expect([response.statusCode, response.json().error.code]).toEqual([status, code])
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })

  it.each([
    ['text/plain', 'payload', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/x-www-form-urlencoded', 'payload=1', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/json', '{"payload":', 400, 'INVALID_JSON'],
    ['application/json', '[1, 2,, 3]', 400, 'INVALID_JSON'],
    ['application/json', '"just a text"', 400, 'INVALID_TASK'],
    ['application/json', '', 400, 'INVALID_TASK'],
  ])('refuses %s: %s', async (type, payload, status, code) => {
    const gateway = await openGateway({ orders: never })
    const headers = { 'content-type': type }
    const response = await gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', headers, payload })
    expect([response.statusCode, response.json().error.code]).toEqual([status, code])
    expect(response.payload).not.toMatch(/\bat .*\.(ts|js)/)
  })
})

describe('GET /v1/tasks/:id', () => {
  it('shows the state on the way, and the answer of the target in the end', async () => {
    const target = await startTarget((_request, response) =>
      response.writeHead(201, { 'x-made': 'yes' }).end('{"made":1}'),
    )
    const { url, gateway } = await startGateway({
      orders: { target: target.url, paused: true },
      other: { target: target.url },
    })
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1, id: 'one' })
    expect(await (await fetch(`${url}/v1/tasks/one`)).json()).toMatchObject({
      id: 'one',
      queue: 'orders',
      state: 'ready',
      attempts: 0,
    })
    const done = new Promise((resolve) => gateway.queues.get('orders')?.consumer.on('completed', resolve))
    await fetch(`${url}/v1/queues/orders/resume`, { method: 'POST' })
    await done
    const found = await jsonOf<{ result: { headers: string[][] } }>(fetch(`${url}/v1/tasks/one?queue=orders`))
    expect(found).toMatchObject({
      id: 'one',
      queue: 'orders',
      state: 'completed',
      result: { status: 201, body: '{"made":1}' },
    })
    expect(found.result.headers).toContainEqual(['x-made', 'yes'])
    expect((await fetch(`${url}/v1/tasks/one?queue=other`)).status).toBe(404)
  })

  it('answers 404 for an id that is not known', async () => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject('/v1/tasks/nobody')
    expect([response.statusCode, response.json().error.code]).toEqual([404, 'UNKNOWN_TASK'])
  })
})

describe('a task that is scheduled by HTTP', () => {
  const post = async (task: object) => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload: task })
    return { gateway, response }
  }

  it.each([
    ['ISO 8601 in UTC', '2100-05-01T09:30:00Z'],
    ['ISO 8601 with an offset', '2100-05-01T11:30:00.000+02:00'],
    ['epoch milliseconds', Date.UTC(2100, 4, 1, 9, 30)],
  ])('waits for its moment: %s', async (_, at) => {
    const { gateway, response } = await post({ payload: 1, at })
    expect(response.statusCode).toBe(202)
    expect(await gateway.queues.get('orders')?.queue.depth()).toMatchObject({ ready: 0, delayed: 1 })
  })

  it.each([
    ['a time without an offset', { at: '2100-05-01T09:30:00' }, 'at'],
    ['a day without a time', { at: '2100-05-01' }, 'at'],
    ['a day that is not there', { at: '2100-02-30T09:30:00Z' }, 'at'],
    ['words', { at: 'tomorrow' }, 'at'],
    ['a long text', { at: '2'.repeat(50_000) }, 'at'],
    ['seconds', { at: 1_767_225_600 }, 'at'],
    ['a delay beside it', { at: '2100-05-01T09:30:00Z', delayMs: 5 }, 'at'],
    ['a window of dedup', { dedupId: 'd', dedupWindowMs: 1e12 }, 'dedupWindowMs'],
  ])('is refused with %s', async (_, fields, path) => {
    const { response } = await post({ payload: 1, ...fields })
    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ error: { code: 'INVALID_TASK', path } })
  })
})
