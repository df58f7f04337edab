/** What operators do: see queues, pause them, change their limits, deal with dead letters, ask for health. */

import { describe, expect, it } from 'vitest'
import { postJson, openGateway, startGateway, startTarget, jsonOf } from './running.ts'

const never = { target: 'http://127.0.0.1:9/path?key=secret', paused: true }

describe('queues', () => {
  it('shows depth, rates, limits and state of each, and no key of a target', async () => {
    const gateway = await openGateway({ a: { ...never, maxDepth: 2, rate: { perSecond: 5, rampMs: 100 } }, b: never })
    const tasks = [{ payload: 1 }, { payload: 2 }, { payload: 3 }]
    await gateway.app.inject({ method: 'POST', url: '/v1/queues/a/tasks', payload: tasks })
    const a = (await gateway.app.inject('/v1/queues/a')).json()
    expect(a).toMatchObject({
      name: 'a',
      target: 'http://127.0.0.1:9/path',
      limits: { rate: { perSecond: 5, rampMs: 100 }, concurrency: 8, maxAttempts: 3, timeoutMs: 30_000, maxDepth: 2 },
      effectiveRate: { perSecond: 0, boundBy: 'paused' },
      depth: { ready: 2, delayed: 0, inFlight: 0, dead: 0 },
      totals: { offered: 3, accepted: 2, refused: 1, started: 0, completed: 0 },
    })
    const all = await gateway.app.inject('/v1/queues')
    expect(all.json().queues.map(({ name }: { name: string }) => name)).toEqual(['a', 'b'])
    expect(all.payload).not.toContain('secret')
  })

  it('starts nothing of a queue that starts paused or is paused, and goes on when it is resumed', async () => {
    const target = await startTarget()
    const { url, gateway } = await startGateway({ orders: { target: target.url, paused: true } })
    const queue = gateway.queues.get('orders')
    const post = () => postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 })
    const act = async (what: string) =>
      (await jsonOf<{ state: string }>(fetch(`${url}/v1/queues/orders/${what}`, { method: 'POST' }))).state
    const completed = () => new Promise((resolve) => queue?.consumer.on('completed', resolve))
    await post()
    expect((await jsonOf<{ state: string }>(fetch(`${url}/v1/queues/orders`))).state).toBe('paused')
    expect(target.received).toHaveLength(0)
    const first = completed()
    expect(await act('resume')).toBe('running')
    await first
    expect(await act('pause')).toBe('paused')
    await post()
    expect((await queue?.queue.depth())?.ready).toBe(1)
    const second = completed()
    expect(await act('resume')).toBe('running')
    await second
    expect(target.received).toHaveLength(2)
  })

  it('changes rate and concurrency while it runs', async () => {
    const gateway = await openGateway({ orders: never })
    const patch = (payload: object) => gateway.app.inject({ method: 'PATCH', url: '/v1/queues/orders', payload })
    expect((await patch({ rate: 7 })).json().limits).toMatchObject({
      rate: { perSecond: 7, rampMs: 0 },
      concurrency: 8,
    })
    expect((await patch({ rate: { perSecond: 9, rampMs: 50 }, concurrency: 3 })).json().limits).toMatchObject({
      rate: { perSecond: 9, rampMs: 50 },
      concurrency: 3,
    })
  })

  it.each([
    {},
    { rate: 0 },
    { rate: -1 },
    { rate: 'fast' },
    { concurrency: 1.5 },
    { concurrency: 0 },
    { rates: 5 },
    [1],
  ])('refuses %j and changes nothing', async (payload) => {
    const gateway = await openGateway({ orders: never })
    const before = (await gateway.app.inject('/v1/queues/orders')).json().limits
    const response = await gateway.app.inject({ method: 'PATCH', url: '/v1/queues/orders', payload })
    expect([response.statusCode, response.json().error.code]).toEqual([400, 'INVALID_REQUEST'])
    expect((await gateway.app.inject('/v1/queues/orders')).json().limits).toEqual(before)
  })
})

interface Page {
  readonly items: readonly { readonly id: string }[]
  readonly next?: string
}

describe('dead letters', () => {
  async function withDead(count: number) {
    let healthy = false
    const target = await startTarget((_request, response) => response.writeHead(healthy ? 200 : 400).end('broken'))
    const { url, gateway } = await startGateway({ orders: { target: target.url } })
    const queue = gateway.queues.get('orders')
    const events = (name: 'dead' | 'completed', wanted: number) =>
      new Promise<void>((resolve) => {
        let seen = 0
        queue?.consumer.on(name, () => ++seen === wanted && resolve())
      })
    const dead = events('dead', count)
    const tasks = Array.from({ length: count }, (_, index) => ({ payload: { index }, id: `t${index}`, key: 'k' }))
    await postJson(`${url}/v1/queues/orders/tasks`, tasks)
    await dead
    const heal = () => {
      healthy = true
    }
    return { url: `${url}/v1/queues/orders/dead`, gateway, events, heal, target }
  }

  it('lists them page by page, with what was in them and why', async () => {
    const { url } = await withDead(5)
    const first = await jsonOf<Page>(fetch(`${url}?limit=3`))
    const second = await jsonOf<Page>(fetch(`${url}?limit=3&after=${encodeURIComponent(first.next ?? '')}`))
    const items = [...first.items, ...second.items]
    expect([first.items.length, second.items.length, second.next]).toEqual([3, 2, undefined])
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(['t0', 't1', 't2', 't3', 't4']))
    expect(items.find(({ id }) => id === 't3')).toMatchObject({
      queue: 'orders',
      payload: { index: 3 },
      key: 'k',
      reason: 'refused',
      attempts: 1,
      failures: [{ message: 'The target answered 400: broken' }],
    })
  })

  it('redrives by id, then all', async () => {
    const { url, events, heal, target } = await withDead(3)
    heal()
    const one = events('completed', 1)
    expect(await (await postJson(`${url}/redrive`, { ids: ['t1', 'nobody'] })).json()).toEqual({ count: 1 })
    await one
    expect(target.received.at(-1)?.headers['forebay-task-id']).toBe('t1')
    const rest = events('completed', 2)
    expect(await (await postJson(`${url}/redrive`, { all: true })).json()).toEqual({ count: 2 })
    await rest
    expect((await jsonOf<Page>(fetch(url))).items).toEqual([])
  })

  it('drops by id, then all', async () => {
    const { url } = await withDead(3)
    expect(await (await postJson(`${url}/drop`, { ids: ['t0'] })).json()).toEqual({ count: 1 })
    expect((await jsonOf<Page>(fetch(url))).items).toHaveLength(2)
    expect(await (await postJson(`${url}/drop`, { all: true })).json()).toEqual({ count: 2 })
    expect((await jsonOf<Page>(fetch(url))).items).toEqual([])
  })

  it.each(['/redrive', '/drop'])('refuses %s without saying which', async (what) => {
    const { url } = await withDead(1)
    for (const body of [{}, { ids: [] }, { all: false }, { ids: ['t0'], all: true }, 'all']) {
      expect((await postJson(`${url}${what}`, body)).status).toBe(400)
    }
    expect((await jsonOf<Page>(fetch(url))).items).toHaveLength(1)
  })

  it.each(['limit=0', 'limit=x', 'limit=1001'])('refuses ?%s', async (query) => {
    const gateway = await openGateway({ orders: never })
    expect((await gateway.app.inject(`/v1/queues/orders/dead?${query}`)).statusCode).toBe(400)
  })
})

describe('health', () => {
  it('is up at once, ready once it serves, and not ready once it stops', async () => {
    const gateway = await openGateway({ orders: never })
    expect((await gateway.app.inject('/healthz')).json()).toEqual({ status: 'up' })
    const before = await gateway.app.inject('/readyz')
    expect([before.statusCode, before.headers['retry-after']]).toEqual([503, '1'])
    const url = await gateway.start()
    expect((await gateway.app.inject('/readyz')).json()).toEqual({ status: 'ready' })
    await gateway.stop(0)
    await expect(fetch(`${url}/readyz`)).rejects.toThrow('fetch failed')
  })

  it('is not ready when the backend does not answer', async () => {
    const { url, gateway } = await startGateway({ orders: never })
    await gateway.queues.get('orders')?.queue.close()
    const response = await fetch(`${url}/readyz`)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  })
})

describe('start and stop', () => {
  it('stops before it starts, twice, and does not start again', async () => {
    const gateway = await openGateway({ orders: never })
    await Promise.all([gateway.stop(0), gateway.stop(0)])
    await expect(gateway.start()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  })

  it('says when the address is in use, and has touched no task', async () => {
    const { port } = await startGateway({ orders: never })
    const target = await startTarget()
    const second = await openGateway({ orders: { target: target.url } }, { listen: `127.0.0.1:${port}` })
    await second.app.inject({ method: 'POST', url: '/v1/queues/orders/tasks', payload: { payload: 1 } })
    await expect(second.start()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE', exitCode: 3 })
    expect(target.received).toHaveLength(0)
  })

  it('lets a running delivery end', async () => {
    let answer: (() => void) | undefined
    const target = await startTarget((_request, response) => {
      answer = () => response.end()
    })
    const { url, gateway } = await startGateway({ orders: { target: target.url } })
    const completed = new Promise((resolve) => gateway.queues.get('orders')?.consumer.on('completed', resolve))
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 })
    await target.has(1)
    const stopped = gateway.stop(5_000)
    answer?.()
    await completed
    await stopped
    expect(gateway.state).toBe('stopped')
  })
})

it('answers 405 with Allow for a wrong method, and 404 for a path that is not there', async () => {
  const gateway = await openGateway({ orders: never })
  const wrong = await gateway.app.inject({ method: 'DELETE', url: '/v1/queues/orders' })
  expect([wrong.statusCode, wrong.json().error.code, wrong.headers.allow]).toEqual([
    405,
    'METHOD_NOT_ALLOWED',
    'GET, PATCH',
  ])
  const missing = await gateway.app.inject('/v2')
  expect([missing.statusCode, missing.json().error.code]).toEqual([404, 'NOT_FOUND'])
})
