/** What strangers and broken clients send: refused with a code, before it costs anything, while others are served. */

import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openGateway, postJson, rawExchange, startGateway, startTarget } from './running.ts'

const never = { target: 'http://127.0.0.1:9', paused: true }

const head = (line: string, ...headers: readonly string[]) => [line, 'Host: 127.0.0.1', ...headers, '', ''].join('\r\n')

const POST = 'POST /v1/queues/orders/tasks HTTP/1.1'
const JSON_TYPE = 'Content-Type: application/json'

describe('framing', () => {
  it.each([
    [
      'Content-Length and Transfer-Encoding',
      `${head(POST, JSON_TYPE, 'Content-Length: 13', 'Transfer-Encoding: chunked')}{"payload":1}`,
    ],
    ['two Content-Lengths', `${head(POST, JSON_TYPE, 'Content-Length: 13', 'Content-Length: 12')}{"payload":1}`],
    ['a Transfer-Encoding that hides', `${head(POST, JSON_TYPE, 'Transfer-Encoding: xchunked')}0\r\n\r\n`],
    ['a folded header', head(POST, 'X-Folded: a', ' b', JSON_TYPE, 'Content-Length: 0')],
    ['a space before the colon', head(POST, 'Content-Length : 5')],
    ['a bare line feed in a header', head('GET /healthz HTTP/1.1', 'X-Bare: a\nX-Injected: b\rX')],
    ['a NUL in a header', head('GET /healthz HTTP/1.1', 'X-Nul: a\0b')],
    ['a line break in the URL', 'GET /v1/queues\r\n/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['what is no HTTP', 'hello, is anybody there?\r\n\r\n'],
  ])('refuses %s with 400', async (_what, bytes) => {
    const { gateway, port } = await startGateway({ orders: never })
    const answer = await rawExchange(port, bytes)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    // One refusal, and nothing after it is taken for a second request.
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })

  it.each([
    ['/v1/through/orders/a%0d%0aX-Injected:%20b', 400, 'INVALID_REQUEST'],
    ['/v1/through/orders/a%0ab', 400, 'INVALID_REQUEST'],
    ['/v1/through/orders/..%2f..%2fadmin', 404, 'NOT_FOUND'],
    ['/v1/through/orders/%2e%2e/admin', 404, 'NOT_FOUND'],
    ['/v1/through/orders/a/..%5cadmin', 404, 'NOT_FOUND'],
    ['/v1/through/orders/a%00b', 404, 'NOT_FOUND'],
    ['/v1/through/orders/%zz', 400, 'INVALID_REQUEST'],
    ['/..%2f..%2fetc%2fpasswd', 404, 'NOT_FOUND'],
  ])('refuses the path %s', async (path, status, code) => {
    const { port, gateway } = await startGateway({ orders: never })
    const answer = await rawExchange(port, head(`GET ${path} HTTP/1.1`, 'Connection: close'))
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain(code)
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })

  it('refuses a path that climbs out undisguised', async () => {
    const { port } = await startGateway({ orders: never })
    const answer = await rawExchange(port, head('GET /v1/through/orders/../../admin HTTP/1.1', 'Connection: close'))
    expect(answer).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('forwards an escaped line break in a query as it came: escaped', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ orders: { target: target.url } })
    await fetch(`${url}/v1/through/orders/x?q=%0d%0aX-Injected:%20b`)
    expect(target.received[0]?.url).toBe('/x?q=%0d%0aX-Injected:%20b')
    expect(target.received[0]?.headers['x-injected']).toBeUndefined()
  })
})

describe('size', () => {
  it.each([
    ['/v1/queues/orders/tasks', 'application/json'],
    ['/v1/queues/orders/tasks', 'application/x-ndjson'],
    ['/v1/through/orders/x', 'application/octet-stream'],
  ])('refuses an endless chunked body to %s (%s) with 413, having read little of it', async (path, type) => {
    const { port } = await startGateway({ orders: never }, { limits: { bodyBytes: 65_536, streamBytes: 65_536 } })
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    let sent = 0
    const answer = await new Promise<string>((resolve) => {
      let received = ''
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(head(`POST ${path} HTTP/1.1`, `Content-Type: ${type}`, 'Transfer-Encoding: chunked'))
        const more = () => {
          while (!socket.destroyed && socket.writable && sent < 1e9 && socket.write(chunk)) sent += chunk.length
        }
        socket.on('drain', more)
        more()
      })
      socket.on('data', (data) => {
        received += data
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(received))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('PAYLOAD_TOO_LARGE')
    // The kernel's buffers of both ends, not the gateway's memory.
    expect(sent).toBeLessThan(64 * 1_048_576)
  })

  it('refuses a body that says it is too large before it comes', async () => {
    const { port } = await startGateway({ orders: never })
    for (const path of ['/v1/queues/orders/tasks', '/v1/through/orders/x']) {
      const answer = await rawExchange(port, head(`POST ${path} HTTP/1.1`, JSON_TYPE, 'Content-Length: 1073741824'))
      expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    }
  })

  it('stores the lines before the one that is too large, and says so', async () => {
    const gateway = await openGateway({ orders: never }, { limits: { bodyBytes: 1_024 } })
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/orders/tasks',
      headers: { 'content-type': 'application/x-ndjson' },
      payload: `{"payload":1,"id":"first"}\n{"payload":"${'x'.repeat(2_000)}"}\n`,
    })
    expect(response.statusCode).toBe(413)
    expect(response.json()).toMatchObject({
      error: { code: 'PAYLOAD_TOO_LARGE' },
      accepted: 1,
      results: [{ status: 'accepted', id: 'first' }],
    })
  })

  it('refuses more tasks in one request than are allowed', async () => {
    const gateway = await openGateway({ orders: never }, { limits: { batchTasks: 2 } })
    const tasks = [{ payload: 1 }, { payload: 2 }, { payload: 3 }]
    const url = '/v1/queues/orders/tasks'
    const array = await gateway.app.inject({ method: 'POST', url, payload: tasks })
    expect([array.statusCode, array.json().error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
    const headers = { 'content-type': 'application/x-ndjson' }
    const payload = tasks.map((task) => JSON.stringify(task)).join('\n')
    const lines = await gateway.app.inject({ method: 'POST', url, headers, payload })
    expect([lines.statusCode, lines.json().accepted]).toEqual([413, 2])
  })

  it('refuses 100,000 headers, and more headers than are allowed', async () => {
    const { port } = await startGateway({ orders: never })
    const many = (count: number) => Array.from({ length: count }, (_, index) => `h${index}: v`)
    expect(await rawExchange(port, head('GET /healthz HTTP/1.1', ...many(100_000)))).toMatch(/^HTTP\/1\.1 431 /)
    const answer = await rawExchange(port, head('GET /healthz HTTP/1.1', 'Connection: close', ...many(101)))
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('more than the 100 headers')
  })
})

describe('time', () => {
  it('ends a request whose headers or body come too slowly with 408, and serves others meanwhile', async () => {
    const { port, url } = await startGateway(
      { orders: never },
      { limits: { headersTimeoutMs: 200, requestTimeoutMs: 200 } },
    )
    const slowHead = rawExchange(port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')
    const slowBody = rawExchange(port, `${head(POST, JSON_TYPE, 'Content-Length: 13')}{"pay`)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect(await slowHead).toMatch(/^HTTP\/1\.1 408 /)
    expect(await slowBody).toMatch(/^HTTP\/1\.1 408 /)
  })
})

it('turns away connections beyond the most that are allowed, and takes new ones once there is room', async () => {
  const { port } = await startGateway({ orders: never }, { limits: { connections: 1 } })
  const first = connect(port, '127.0.0.1')
  const answered = once(first, 'data')
  first.write(head('GET /healthz HTTP/1.1'))
  expect(String(await answered)).toMatch(/^HTTP\/1\.1 200 /)
  expect(await rawExchange(port, head('GET /healthz HTTP/1.1', 'Connection: close'))).toBe('')
  first.end()
  await once(first.resume(), 'close')
  expect(await rawExchange(port, head('GET /healthz HTTP/1.1', 'Connection: close'))).toMatch(/^HTTP\/1\.1 200 /)
})

it('does not wait for the rest of a body that it refuses', async () => {
  const { port } = await startGateway({ orders: never }, { tokens: ['a-token-of-16-chars'] })
  const answer = await rawExchange(port, head(POST, JSON_TYPE, 'Content-Length: 1000000'))
  expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  expect(answer.toLowerCase()).toContain('connection: close')
})

describe('JSON that attacks', () => {
  it('keeps __proto__ and constructor inert, in a payload and beside it', async () => {
    const target = await startTarget()
    const { url, gateway } = await startGateway({ orders: { target: target.url } })
    const payload = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}'
    const headers = { 'content-type': 'application/json' }
    const tasks = `${url}/v1/queues/orders/tasks`
    expect((await fetch(tasks, { method: 'POST', headers, body: `{"payload":${payload}}` })).status).toBe(202)
    await target.has(1)
    expect(String(target.received[0]?.body)).toBe(payload)
    expect(
      (await fetch(tasks, { method: 'POST', headers, body: `{"payload":1,"__proto__":{"type":"x"}}` })).status,
    ).toBe(400)
    const patched = await gateway.app.inject({
      method: 'PATCH',
      url: '/v1/queues/orders',
      headers,
      payload: '{"__proto__":{"rate":1}}',
    })
    expect(patched.statusCode).toBe(400)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('refuses what is nested 10,000 deep, with the position', async () => {
    const gateway = await openGateway({ orders: never })
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const payload = `{"payload":${open.repeat(10_000)}1${close.repeat(10_000)}}`
      const headers = { 'content-type': 'application/json' }
      const response = await gateway.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', headers, payload })
      expect([response.statusCode, response.json().error.code]).toEqual([400, 'INVALID_JSON'])
      expect(response.json().error.message).toMatch(/deeper than 256 levels at position \d+/)
    }
  })
})

describe('browsers', () => {
  it.each([
    ['another site', { origin: 'https://evil.example' }],
    ['a sandboxed page or a file', { origin: 'null' }],
    ['the same host on another port', { origin: 'http://127.0.0.1:1' }],
    ['a form without an Origin', { 'sec-fetch-site': 'cross-site' }],
  ])('are refused with 403 and no CORS header from %s', async (_from, headers) => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject({
      method: 'POST',
      url: '/v1/queues/orders/tasks',
      payload: { payload: 1 },
      headers,
    })
    expect([response.statusCode, response.json().error.code]).toEqual([403, 'FORBIDDEN_ORIGIN'])
    expect(Object.keys(response.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    expect((await gateway.queues.get('orders')?.queue.depth())?.ready).toBe(0)
  })

  it('are refused an image that would queue a task, and a preflight', async () => {
    const gateway = await openGateway({ orders: never })
    const image = await gateway.app.inject({
      url: '/v1/through/orders/pay',
      headers: { 'sec-fetch-site': 'cross-site' },
    })
    expect(image.statusCode).toBe(403)
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    const preflight = await gateway.app.inject({ method: 'OPTIONS', url: '/v1/queues/orders/tasks', headers })
    expect(preflight.statusCode).toBe(403)
  })

  it('are refused a name that was rebound to this machine', async () => {
    const gateway = await openGateway({ orders: never })
    const response = await gateway.app.inject({ url: '/v1/queues', headers: { host: 'evil.example:8080' } })
    expect(response.statusCode).toBe(403)
  })

  it('may call from the own page', async () => {
    const { url } = await startGateway({ orders: never })
    const response = await postJson(
      `${url}/v1/queues/orders/tasks`,
      { payload: 1 },
      { origin: url, 'sec-fetch-site': 'same-origin' },
    )
    expect(response.status).toBe(202)
  })

  it('get the answer of a target under a policy that lets nothing in it run', async () => {
    const target = await startTarget((_request, response) =>
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<script>fetch("/v1/queues/orders/dead/drop")</script>'),
    )
    const { url } = await startGateway({ orders: { target: target.url } })
    expect((await fetch(`${url}/v1/through/orders/`)).headers.get('content-security-policy')).toContain('sandbox')
  })
})
