/** `Idempotency-Key`: a request that is sent again is queued once, and answered as the first one was. */

import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import type { ErrorBody } from '../../packages/forebay/src/gateway/error-reply.ts'
import { jsonOf, openGateway, postJson, rawExchange, startGateway, startTarget } from './running.ts'

const never = { target: 'http://127.0.0.1:9', paused: true }
const URL_OF_ORDERS = '/v1/queues/orders/tasks'

type Gateway = Awaited<ReturnType<typeof openGateway>>

function post(gateway: Gateway, payload: unknown, key: string, url = URL_OF_ORDERS) {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
  return gateway.app.inject({ method: 'POST', url, headers, payload: JSON.stringify(payload) })
}

describe('POST /v1/queues/:queue/tasks with Idempotency-Key', () => {
  it('answers a repeated request with the id of the first, in either form of the key', async () => {
    const gateway = await openGateway({ orders: never })
    const first = await post(gateway, { payload: { order: 1 } }, 'abc-1')
    expect([first.statusCode, first.json().status]).toEqual([202, 'accepted'])
    for (const key of ['abc-1', '"abc-1"', ' abc-1 ']) {
      const again = await post(gateway, { payload: { order: 1 } }, key)
      expect([again.statusCode, again.json()]).toEqual([202, { ...first.json(), status: 'duplicate' }])
    }
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(1)
  })

  it('refuses another body with 409, in the words of who sent a key', async () => {
    const gateway = await openGateway({ orders: never })
    await post(gateway, { payload: 1 }, 'abc')
    for (const body of [{ payload: 2 }, { payload: 1, type: 'other' }]) {
      const other = await post(gateway, body, 'abc')
      expect(other.statusCode).toBe(409)
      expect(other.json().error).toMatchObject({
        code: 'DEDUP_CONFLICT',
        path: 'idempotency-key',
        message: expect.stringContaining('Idempotency-Key was used for another request'),
      })
    }
  })

  it('keeps the keys of each queue apart, and forgets them when their window is over', async () => {
    const clock = new VirtualClock()
    const queue = { ...never, idempotencyWindowMs: 60_000, dedupWindowMs: 1_000 }
    const gateway = await openGateway({ orders: queue, other: queue }, {}, { clock })
    const statusOf = async (url?: string) => (await post(gateway, { payload: 1 }, 'k', url)).json().status
    expect(await statusOf()).toBe('accepted')
    expect(await statusOf('/v1/queues/other/tasks')).toBe('accepted')
    await clock.advance(59_999)
    expect(await statusOf()).toBe('duplicate')
    await clock.advance(1)
    expect(await statusOf()).toBe('accepted')
  })

  it('cannot clash with a dedupId of a producer', async () => {
    const gateway = await openGateway({ orders: never })
    await post(gateway, { payload: 1 }, 'abc')
    const send = (payload: object) => gateway.app.inject({ method: 'POST', url: URL_OF_ORDERS, payload })
    expect((await send({ payload: 2, dedupId: 'abc' })).json().status).toBe('accepted')
    const reserved = { payload: 2, dedupId: 'idempotency-key:abc' }
    const refused = await send(reserved)
    expect([refused.statusCode, refused.json().error.path]).toEqual([400, 'dedupId'])
    expect((await send([reserved, { payload: 3 }])).json()).toMatchObject({ accepted: 1, refused: 1 })
  })

  it.each([
    ['an array', 'application/json', '[{"payload":1}]'],
    ['NDJSON', 'application/x-ndjson', '{"payload":1}\n'],
  ])('refuses it for %s, and says why', async (_what, type, payload) => {
    const gateway = await openGateway({ orders: never })
    const headers = { 'content-type': type, 'idempotency-key': 'abc' }
    const refused = await gateway.app.inject({ method: 'POST', url: URL_OF_ORDERS, headers, payload })
    expect(refused.statusCode).toBe(400)
    expect(refused.json().error).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('names one request for one task'),
    })
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })

  it.each([
    ['an empty one', ''],
    ['an empty string', '""'],
    ['one that does not end', '"abc'],
    ['one with a parameter', '"abc";a=1'],
    ['two words', 'abc def'],
    ['one too long', 'x'.repeat(241)],
    ['a character that is none', '"a\u00e9"'],
  ])('refuses %s', async (_what, key) => {
    const gateway = await openGateway({ orders: never })
    const refused = await post(gateway, { payload: 1 }, key)
    expect([refused.statusCode, refused.json().error.path]).toEqual([400, 'idempotency-key'])
  })

  it('takes what a structured string may hold, and the longest', async () => {
    const gateway = await openGateway({ orders: never })
    for (const key of ['"a \\"quoted\\" one \\\\ "', 'x'.repeat(240)]) {
      expect((await post(gateway, { payload: 1 }, key)).statusCode).toBe(202)
      expect((await post(gateway, { payload: 1 }, key)).json().status).toBe('duplicate')
    }
  })

  it('refuses two of them, and one beside a dedupId', async () => {
    const { port, url } = await startGateway({ orders: never })
    const twice =
      `POST ${URL_OF_ORDERS} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      'idempotency-key: a\r\nidempotency-key: b\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{"payload":1}'
    expect(await rawExchange(port, twice)).toContain('There is more than one Idempotency-Key')
    const both = await postJson(`${url}${URL_OF_ORDERS}`, { payload: 1, dedupId: 'd' }, { 'idempotency-key': 'a' })
    expect([both.status, (await jsonOf<ErrorBody>(both)).error.path]).toEqual([400, 'dedupId'])
  })
})

describe('ANY /v1/through with Idempotency-Key', () => {
  const send = (url: string, key: string, body = 'b', headers: Record<string, string> = {}, method = 'POST') =>
    fetch(url, { method, body, headers: { 'idempotency-key': key, ...headers } })

  it('calls the target once, forwards all headers, and passes the same answer back to whoever repeats the request', async () => {
    const target = await startTarget((_request, response, nth) => response.writeHead(201).end(`answer ${nth}`))
    const { url } = await startGateway({ api: { target: target.url } })
    const first = await send(`${url}/v1/through/api/x?q=1`, 'k', 'b', {
      'x-trace': '1',
      authorization: 'Bearer target',
    })
    expect([first.status, await first.text()]).toEqual([201, 'answer 1'])
    // Another trace: headers may differ.
    const again = await send(`${url}/v1/through/api/x?q=1`, 'k', 'b', { 'x-trace': '2' })
    expect([again.status, await again.text()]).toEqual([201, 'answer 1'])
    expect(again.headers.get('forebay-task-id')).toBe(first.headers.get('forebay-task-id'))
    expect(target.received).toHaveLength(1)
    expect(target.received[0]).toMatchObject({
      url: '/x?q=1',
      headers: { 'x-trace': '1', authorization: 'Bearer target', 'idempotency-key': 'k' },
    })
    expect(String(target.received[0]?.body)).toBe('b')
  })

  it('lets a repeated request wait for the answer of the first, and gives both the same', async () => {
    let answer: (() => void) | undefined
    const target = await startTarget((_request, response) => {
      answer = () => response.end('one')
    })
    const { url, gateway } = await startGateway({ api: { target: target.url } })
    const queue = gateway.queues.get('api')
    const first = send(`${url}/v1/through/api`, 'k')
    await target.has(1)
    const repeated = new Promise((resolve) => queue?.queue.on('duplicate', resolve))
    const second = send(`${url}/v1/through/api`, 'k')
    await repeated
    await new Promise((resolve) => setImmediate(resolve))
    answer?.()
    expect(await Promise.all([first, second].map(async (response) => (await response).text()))).toEqual(['one', 'one'])
    expect(target.received).toHaveLength(1)
    expect(queue?.replies.waiting).toBe(0)
  })

  it.each([
    ['another body', ['/x', 'other', 'POST']],
    ['another path', ['/y', 'b', 'POST']],
    ['another query', ['/x?q=1', 'b', 'POST']],
    ['another method', ['/x', 'b', 'PUT']],
  ] as const)('refuses %s with 409', async (_what, [path, body, method]) => {
    const { url } = await startGateway({ api: never })
    const prefer = { prefer: 'respond-async' }
    expect((await send(`${url}/v1/through/api/x`, 'k', 'b', prefer)).status).toBe(202)
    const other = await send(`${url}/v1/through/api${path}`, 'k', body, prefer, method)
    expect([other.status, (await jsonOf<ErrorBody>(other)).error.code]).toEqual([409, 'DEDUP_CONFLICT'])
  })

  it("answers 202 with the first one's id when there is no answer within the time, or none is waited for", async () => {
    const { url } = await startGateway({ api: never }, { replyWaitMs: 20 })
    const first = await jsonOf<{ id: string; status: string }>(send(`${url}/v1/through/api`, 'k'))
    for (const headers of [{}, { prefer: 'respond-async' }, { prefer: 'wait=0' }] as Record<string, string>[]) {
      const again = await send(`${url}/v1/through/api`, 'k', 'b', headers)
      expect([again.status, await again.json()]).toEqual([202, { ...first, status: 'duplicate' }])
    }
  })

  it('does not wait for a request whose answer is kept no longer', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url, keepResultsMs: 0 } }, { replyWaitMs: 30_000 })
    expect((await send(`${url}/v1/through/api`, 'k')).status).toBe(200)
    const again = await send(`${url}/v1/through/api`, 'k')
    expect([again.status, (await jsonOf<{ status: string }>(again)).status]).toEqual([202, 'duplicate'])
    expect(target.received).toHaveLength(1)
  })

  it('tells a repeated request that the first one is dead', async () => {
    const target = await startTarget((_request, response) => response.writeHead(404).end('nothing here'))
    const { url } = await startGateway({ api: { target: target.url } })
    expect((await send(`${url}/v1/through/api`, 'k')).status).toBe(404)
    const again = await send(`${url}/v1/through/api`, 'k')
    expect([again.status, (await jsonOf<ErrorBody>(again)).error.message]).toEqual([
      502,
      expect.stringContaining('The target answered 404: nothing here'),
    ])
  })

  it('shows the request with its headers in the dead letters, and no secret', async () => {
    const target = await startTarget((_request, response) => response.writeHead(404).end())
    const { url } = await startGateway({ api: { target: target.url } })
    await send(`${url}/v1/through/api/x`, 'k', 'b', { authorization: 'Bearer very-secret', 'x-trace': 't' })
    const text = await (await fetch(`${url}/v1/queues/api/dead`)).text()
    expect(text).not.toContain('very-secret')
    const [letter] = (JSON.parse(text) as { items: { payload: { path: string; headers: string[][] } }[] }).items
    expect(letter?.payload.path).toBe('/x')
    expect(letter?.payload.headers).toContainEqual(['x-trace', 't'])
    expect(letter?.payload.headers).toContainEqual(['authorization', '[redacted]'])
  })

  it('refuses more headers than can lie beside the request, with a key alone', async () => {
    const { url } = await startGateway({ api: never })
    const headers = { 'x-long': 'x'.repeat(9_000), prefer: 'respond-async' }
    const refused = await send(`${url}/v1/through/api`, 'k', 'b', headers)
    expect([refused.status, (await jsonOf<ErrorBody>(refused)).error.code]).toEqual([400, 'INVALID_REQUEST'])
    expect((await fetch(`${url}/v1/through/api`, { headers })).status).toBe(202)
  })
})
