import { request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ErrorBody } from '../../packages/forebay/src/gateway/error-reply.ts'
import { startGateway, startTarget, jsonOf } from './running.ts'

describe('ANY /v1/through/:queue/*', () => {
  it('forwards method, path, query, headers and body as they came, and passes the answer back', async () => {
    const target = await startTarget((_request, response) =>
      response
        .writeHead(201, { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/x-own' })
        .end('made'),
    )
    const { url } = await startGateway({ api: { target: `${target.url}/base/` } })
    const response = await fetch(`${url}/v1/through/api/users/a%2Fb%20c?x=1&y=%0A&x=2`, {
      method: 'PATCH',
      headers: {
        'x-custom': 'kept',
        accept: 'text/x-own',
        authorization: 'Bearer for-the-target',
        prefer: 'return=minimal, wait=10',
      },
      body: '{"not": json',
    })
    expect([response.status, await response.text()]).toEqual([201, 'made'])
    expect(response.headers.get('x-answer')).toBe('yes')
    expect(response.headers.get('content-type')).toBe('text/x-own')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(response.headers.get('forebay-task-state')).toBe('completed')
    const [request] = target.received
    expect(request).toMatchObject({ method: 'PATCH', url: '/base/users/a%2Fb%20c?x=1&y=%0A&x=2' })
    expect(String(request?.body)).toBe('{"not": json')
    expect(request?.headers).toMatchObject({
      host: new URL(target.url).host,
      'x-custom': 'kept',
      authorization: 'Bearer for-the-target',
      prefer: 'return=minimal',
      'forebay-task-id': response.headers.get('forebay-task-id'),
    })
  })

  it('forwards what comes after the queue, however what comes before it is written', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url } })
    for (const path of [
      '/%76%31/thr%6fugh/api/one',
      '/v1/through/ap%69/v1/through/api?two',
      '/v1/through/api?a=/v1/through/api/b',
    ]) {
      expect((await fetch(`${url}${path}`)).status).toBe(200)
    }
    expect(target.received.map((request) => request.url)).toEqual([
      '/one',
      '/v1/through/api?two',
      '/?a=/v1/through/api/b',
    ])
  })

  it('carries every byte of a binary body, both ways', async () => {
    const bytes = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index % 256))
    const target = await startTarget((request, response) => response.end(request.body))
    const { url } = await startGateway({ api: { target: target.url } })
    const response = await fetch(`${url}/v1/through/api/blob`, { method: 'PUT', body: bytes })
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    expect(target.received[0]?.body.equals(bytes)).toBe(true)
  })

  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST'])('queues %s, also without a body or a path', async (method) => {
    const target = await startTarget((_request, response) => response.writeHead(200, { 'x-method': method }).end())
    const { url } = await startGateway({ api: { target: `${target.url}/base?k=1` } })
    const response = await fetch(`${url}/v1/through/api?q=2`, { method })
    expect([response.status, response.headers.get('x-method')]).toEqual([200, method])
    expect(target.received[0]).toMatchObject({ method, url: '/base?k=1&q=2' })
    expect(target.received[0]?.body).toHaveLength(0)
  })

  it('carries the body of a GET, and a media type that is none', async () => {
    const target = await startTarget((request, response) => response.end(request.body))
    const { port } = await startGateway({ api: { target: target.url } })
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'nonsense;;', 'content-length': 5 }
      const sent = httpRequest(
        { port, host: '127.0.0.1', method: 'GET', path: '/v1/through/api/search', headers },
        (response) => {
          response.setEncoding('utf8').on('data', resolve)
        },
      )
      sent.on('error', reject).end('query')
    })
    expect(answer).toBe('query')
    expect(target.received[0]?.headers['content-type']).toBe('nonsense;;')
  })

  it('drops what belongs to one connection, what Connection names, and what pretends to be ours', async () => {
    const target = await startTarget((_request, response) =>
      response.writeHead(200, { connection: 'x-inner, close', 'x-inner': 'secret', 'x-outer': 'fine' }).end(),
    )
    const { port } = await startGateway({ api: { target: target.url } })
    const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const headers = {
        connection: 'close, X-Secret',
        'x-secret': 'hop',
        'keep-alive': '300',
        te: 'trailers',
        'proxy-authorization': 'Basic x',
        'forebay-task-id': 'forged',
        'forebay-attempt': '99',
        'x-kept': 'yes',
      }
      httpRequest({ port, host: '127.0.0.1', path: '/v1/through/api/', headers }, (response) =>
        resolve(response.resume().headers),
      )
        .on('error', reject)
        .end()
    })
    const seen = target.received[0]?.headers
    expect(seen).toMatchObject({ 'x-kept': 'yes', 'forebay-attempt': '1' })
    for (const name of ['x-secret', 'te', 'proxy-authorization']) expect(seen?.[name]).toBeUndefined()
    expect(seen?.['forebay-task-id']).not.toBe('forged')
    expect(answer['x-outer']).toBe('fine')
    expect(answer['x-inner']).toBeUndefined()
  })

  it('passes compressed answers back compressed', async () => {
    const packed = gzipSync('words '.repeat(1_000))
    const target = await startTarget((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
    )
    const { url } = await startGateway({ api: { target: target.url } })
    expect(await (await fetch(`${url}/v1/through/api/`)).text()).toBe('words '.repeat(1_000))
  })

  it('passes redirects and client errors back, the latter from a dead letter', async () => {
    const target = await startTarget((request, response) =>
      request.url === '/moved'
        ? response.writeHead(302, { location: '/there' }).end()
        : response.writeHead(404).end('no such user'),
    )
    const { url, gateway } = await startGateway({ api: { target: target.url } })
    const moved = await fetch(`${url}/v1/through/api/moved`, { redirect: 'manual' })
    expect([moved.status, moved.headers.get('location')]).toEqual([302, '/there'])
    const missing = await fetch(`${url}/v1/through/api/missing`)
    expect([missing.status, await missing.text(), missing.headers.get('forebay-task-state')]).toEqual([
      404,
      'no such user',
      'dead',
    ])
    expect((await gateway.queues.get('api')?.queue.depth())?.dead).toBe(1)
  })

  it('answers 502 when the target cannot be reached, once the attempts are used up', async () => {
    const { url } = await startGateway({ api: { target: 'http://127.0.0.1:9' } })
    const response = await fetch(`${url}/v1/through/api/`)
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({
      error: { code: 'TARGET_FAILED', message: expect.stringContaining('ECONNREFUSED') },
    })
  })

  it('answers 502 for an answer that is larger than may be passed back', async () => {
    const target = await startTarget((_request, response) => response.end(Buffer.alloc(2_000)))
    const { url } = await startGateway({ api: { target: target.url } }, { replyBytes: 1_000 })
    const response = await fetch(`${url}/v1/through/api/`)
    expect([response.status, (await jsonOf<ErrorBody>(response)).error.message]).toEqual([
      502,
      expect.stringContaining('larger than the 1000 bytes'),
    ])
  })
})

describe('waiting for the answer', () => {
  it('answers 202 and a status URL at once for Prefer: respond-async', async () => {
    const target = await startTarget((_request, response) => response.end('later'))
    const { url, gateway } = await startGateway({ api: { target: target.url, paused: true } })
    const response = await fetch(`${url}/v1/through/api/x`, {
      method: 'POST',
      body: 'b',
      headers: { prefer: 'respond-async' },
    })
    expect(response.status).toBe(202)
    expect(response.headers.get('preference-applied')).toBe('respond-async')
    const status = `${url}${response.headers.get('location')}`
    expect(await (await fetch(status)).json()).toMatchObject({ state: 'ready', type: 'http-request' })
    const done = new Promise((resolve) => gateway.queues.get('api')?.consumer.on('completed', resolve))
    gateway.queues.get('api')?.consumer.resume()
    await done
    expect(await (await fetch(status)).json()).toMatchObject({
      state: 'completed',
      result: { status: 200, body: 'later' },
    })
  })

  it.each([
    ['the caller would wait no longer', { prefer: 'wait=0' }, 30_000],
    ['the bound of the gateway passes', {}, 20],
    ['the bound is less than the caller would wait', { prefer: 'wait=100' }, 20],
  ])('answers 202 and a status URL when %s', async (_when, headers, replyWaitMs) => {
    const { url } = await startGateway({ api: { target: 'http://127.0.0.1:9', paused: true } }, { replyWaitMs })
    const response = await fetch(`${url}/v1/through/api/x`, { headers: headers as Record<string, string> })
    expect(response.status).toBe(202)
    expect(await response.json()).toMatchObject({ status: 'accepted', statusUrl: response.headers.get('location') })
  })

  it('lets go of a caller that hangs up; its task stays', async () => {
    const { url, gateway } = await startGateway({ api: { target: 'http://127.0.0.1:9', paused: true } })
    const queue = gateway.queues.get('api')
    const closed = new Promise((resolve) =>
      gateway.app.server.once('connection', (socket) => socket.once('close', resolve)),
    )
    const accepted = new Promise((resolve) => queue?.queue.on('accepted', resolve))
    const abort = new AbortController()
    const call = fetch(`${url}/v1/through/api/x`, { signal: abort.signal }).catch((error: Error) => error.name)
    await accepted
    expect(queue?.replies.waiting).toBe(1)
    abort.abort()
    expect(await call).toBe('AbortError')
    await closed
    expect(queue?.replies.waiting).toBe(0)
    expect((await queue?.queue.depth())?.ready).toBe(1)
  })

  it('answers who waits when the gateway stops', async () => {
    const { url, gateway } = await startGateway({ api: { target: 'http://127.0.0.1:9', paused: true } })
    const accepted = new Promise((resolve) => gateway.queues.get('api')?.queue.on('accepted', resolve))
    const call = fetch(`${url}/v1/through/api/x`)
    await accepted
    await gateway.stop(1_000)
    expect((await call).status).toBe(202)
  })

  it('refuses with 429 and Retry-After when the queue is full, whether the caller would wait or not', async () => {
    const { url } = await startGateway({ api: { target: 'http://127.0.0.1:9', paused: true, maxDepth: 1 } })
    const headers = { prefer: 'respond-async' }
    expect((await fetch(`${url}/v1/through/api/1`, { headers })).status).toBe(202)
    const refused = await fetch(`${url}/v1/through/api/2`, { headers })
    expect([refused.status, Number(refused.headers.get('retry-after')) >= 1]).toEqual([429, true])
    const waiting = await fetch(`${url}/v1/through/api/3`)
    expect(waiting.status).toBe(429)
  })
})
