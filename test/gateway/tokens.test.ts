/** Who may come in, and what becomes of the secrets that callers send. */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openGateway, postJson, rawExchange, startGateway, startTarget, jsonOf } from './running.ts'

const TOKEN = 'correct-horse-battery'
const HASHED = 'staple-of-another-caller'
const tokens = [TOKEN, `sha256:${createHash('sha256').update(HASHED).digest('hex')}`]
const never = { target: 'http://127.0.0.1:9', paused: true }

describe('a gateway with tokens', () => {
  it.each([
    ['none', undefined, 401],
    ['a wrong one', 'Bearer wrong-horse-battery', 401],
    ['the beginning of one', `Bearer ${TOKEN.slice(0, -1)}`, 401],
    ['one and more', `Bearer ${TOKEN}x`, 401],
    ['another scheme', `Basic ${TOKEN}`, 401],
    ['the hash of one', `Bearer ${tokens[1]}`, 401],
    ['one', `Bearer ${TOKEN}`, 200],
    ['one whose hash is configured', `bearer ${HASHED}`, 200],
  ])('answers who sends %s', async (_what, authorization, status) => {
    const gateway = await openGateway({ orders: never }, { tokens })
    const response = await gateway.app.inject({
      url: '/v1/queues',
      headers: authorization === undefined ? {} : { authorization },
    })
    expect(response.statusCode).toBe(status)
    if (status === 401) expect(response.json().error.code).toBe('UNAUTHORIZED')
    expect(response.headers['www-authenticate']).toBe(status === 401 ? 'Bearer realm="forebay"' : undefined)
  })

  it('does not tell strangers which paths and queues there are', async () => {
    const gateway = await openGateway({ orders: never }, { tokens })
    for (const url of ['/v1/queues/orders', '/v1/queues/nope', '/v1/nothing', '/v1/tasks/x', '/v1/through/orders/x']) {
      expect((await gateway.app.inject(url)).statusCode).toBe(401)
    }
  })

  it.each([
    '/%76%31/queues',
    '//v1/queues',
    '/V1/queues',
    '/v1/queues/',
    'http://x/v1/queues',
    '/v1;/queues',
    '/./v1/queues',
  ])('is not fooled by the path %s', async (path) => {
    const { port } = await startGateway({ orders: never }, { tokens })
    const answer = await rawExchange(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 40[01] /)
  })

  it('refuses a token in the URL, also beside a good header', async () => {
    const gateway = await openGateway({ orders: never }, { tokens })
    const headers = { authorization: `Bearer ${TOKEN}` }
    expect((await gateway.app.inject({ url: `/v1/queues?access_token=${TOKEN}` })).statusCode).toBe(400)
    expect((await gateway.app.inject({ url: `/v1/queues?token=${HASHED}`, headers })).statusCode).toBe(400)
    expect((await gateway.app.inject({ url: '/v1/queues?token=wrong' })).statusCode).toBe(401)
  })

  it('lets anybody see health and the description, which hold nothing of anybody', async () => {
    const gateway = await openGateway({ orders: never }, { tokens })
    for (const url of ['/healthz', '/openapi.json']) expect((await gateway.app.inject(url)).statusCode).toBe(200)
  })

  it('keeps its own token from the target, and forwards one that is the target’s', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ api: { target: target.url } }, { tokens })
    await fetch(`${url}/v1/through/api/1`, { headers: { authorization: `Bearer ${TOKEN}` } })
    const both = { authorization: 'Bearer for-the-target', 'forebay-authorization': `Bearer ${TOKEN}` }
    await fetch(`${url}/v1/through/api/2`, { headers: both })
    expect(target.received.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer for-the-target'])
    expect(JSON.stringify(target.received.map(({ rawHeaders }) => rawHeaders))).not.toContain(TOKEN)
  })
})

describe('a canary in Authorization and cookie', () => {
  it('is in no view of a task or dead letter, even if the target repeats it', async () => {
    const target = await startTarget((request, response) =>
      response.writeHead(400).end(`you sent ${JSON.stringify(request.headers)}`),
    )
    const { url, errors } = await startGateway({ api: { target: target.url } })
    const headers = { authorization: 'Bearer canary-authorization', cookie: 'session=canary-cookie', 'x-plain': 'seen' }
    const response = await fetch(`${url}/v1/through/api/x`, { method: 'POST', headers, body: 'text' })
    // The caller gets what the target answered; it knows its own secret.
    expect(await response.text()).toContain('canary-authorization')
    expect(target.received[0]?.headers).toMatchObject({
      authorization: 'Bearer canary-authorization',
      cookie: 'session=canary-cookie',
    })
    const id = response.headers.get('forebay-task-id')
    for (const path of ['/v1/queues/api/dead', `/v1/tasks/${id}`, '/v1/queues']) {
      expect(await (await fetch(`${url}${path}`)).text()).not.toContain('canary')
    }
    const { items } = await jsonOf<{ items: { payload: { headers: string[][] } }[] }>(
      fetch(`${url}/v1/queues/api/dead`),
    )
    expect(items[0]?.payload.headers).toContainEqual(['authorization', '[redacted]'])
    expect(items[0]?.payload.headers).toContainEqual(['x-plain', 'seen'])
    expect(errors).toEqual([])
  })

  it('does not reach the target with a task', async () => {
    const target = await startTarget()
    const { url } = await startGateway({ orders: { target: target.url } })
    const secret = { authorization: 'Bearer canary-authorization', cookie: 'session=canary-cookie' }
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 }, secret)
    await target.has(1)
    expect(JSON.stringify(target.received[0]?.rawHeaders)).not.toContain('canary')
  })
})
