/** What the gateway says at the bound of a queue, and when a task is likely to start. */

import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import type { ErrorBody } from '../../packages/forebay/src/gateway/error-reply.ts'
import { jsonOf, openGateway, postJson, startGateway, startTarget } from './running.ts'

const never = { target: 'http://127.0.0.1:9', paused: true }
const TASKS = '/v1/queues/orders/tasks'

type Gateway = Awaited<ReturnType<typeof openGateway>>

function post(gateway: Gateway, payload: object, headers: Record<string, string> = {}) {
  return gateway.app.inject({ method: 'POST', url: TASKS, payload, headers })
}

describe('overflow', () => {
  it('wait: holds the request until there is room, or answers 429 at the deadline', async () => {
    const clock = new VirtualClock()
    const overflow = { policy: 'wait', deadlineMs: 2_000 }
    const gateway = await openGateway({ orders: { ...never, maxDepth: 1, overflow } }, {}, { clock })
    const queue = gateway.queues.get('orders')?.queue
    expect((await post(gateway, { payload: 1 })).statusCode).toBe(202)
    // The time of the gateway passes only here; each step lets requests and answers go through.
    const answered = async (response: Promise<Awaited<ReturnType<typeof post>>>) => {
      let isThere = false
      const noted = response.finally(() => {
        isThere = true
      })
      while (!isThere) await clock.advance(1)
      return noted
    }
    // A request is not sent before somebody asks for its answer.
    const send = async (payload: number) => await post(gateway, { payload })
    const [second, third] = [send(2), send(3)]
    await clock.advance(0)
    while (queue?.waiting !== 2) await clock.advance(1)
    const [claim] = (await queue?.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })) ?? []
    if (claim) await queue?.service.settle([{ claim, outcome: 'complete' }])
    const accepted = await answered(second)
    expect([accepted.statusCode, accepted.json().status]).toEqual([202, 'accepted'])
    const refused = await answered(third)
    expect([refused.statusCode, refused.json().error.code]).toEqual([429, 'QUEUE_FULL'])
    expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    expect(clock.monotonic()).toBeGreaterThanOrEqual(2_000)
  })

  it('wait: ends with 503 when the gateway stops', async () => {
    const overflow = { policy: 'wait', deadlineMs: 60_000 }
    const { url, gateway } = await startGateway({ orders: { ...never, maxDepth: 1, overflow } })
    await postJson(`${url}${TASKS}`, { payload: 1 })
    const waits = postJson(`${url}${TASKS}`, { payload: 2 })
    const isWaiting = async () =>
      (await jsonOf<{ waitingProducers: number }>(fetch(`${url}/v1/queues/orders`))).waitingProducers === 1
    while (!(await isWaiting()));
    const stopped = gateway.stop(1_000)
    const response = await waits
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    await stopped
  })

  it('spill: accepts, says so, shows how much lies there, and delivers it in the end', async () => {
    const target = await startTarget()
    const overflow = { policy: 'spill', to: 'memory:' }
    const { url, gateway } = await startGateway({
      orders: { target: target.url, paused: true, maxDepth: 2, overflow, concurrency: 1 },
    })
    const tasks = Array.from({ length: 6 }, (_, n) => ({ payload: n, id: `t${n}` }))
    const many = await jsonOf<{ accepted: number; results: object[] }>(postJson(`${url}${TASKS}`, tasks))
    expect(many.accepted).toBe(6)
    expect(many.results.slice(1, 3)).toEqual([
      { status: 'accepted', id: 't1' },
      { status: 'accepted', id: 't2', spilled: true },
    ])
    expect(await jsonOf(fetch(`${url}/v1/queues/orders`))).toMatchObject({
      depth: { ready: 2 },
      spilled: 4,
      limits: { maxDepth: 2, overflow: 'spill' },
      totals: { accepted: 6, spilled: 4, refused: 0 },
    })
    expect(await jsonOf(fetch(`${url}/v1/tasks/t5`))).toMatchObject({ state: 'delayed' })
    gateway.queues.get('orders')?.consumer.resume()
    await target.has(6)
    expect(target.received.map(({ body }) => String(body))).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  it('spill: tells who waits, and the callback, of a request that expired there', async () => {
    const receiver = await startTarget()
    const overflow = { policy: 'spill', to: 'memory:' }
    const { url, gateway } = await startGateway({
      orders: { ...never, maxDepth: 1, overflow, callbacks: true },
    })
    const queue = gateway.queues.get('orders')
    const expired = new Promise((resolve) => queue?.queue.on('expired', resolve))
    const replied = queue?.replies.wait('late', 30_000, new AbortController().signal)
    await postJson(`${url}${TASKS}`, { payload: 1, id: 'first' })
    const headers = { 'forebay-callback-url': receiver.url }
    await postJson(`${url}${TASKS}`, { payload: 2, id: 'late', ttlMs: 1 }, headers)
    // Else it might be brought back within its time.
    while (((await queue?.queue.spilled())?.oldestReadyAgeMs ?? 0) <= 1);
    const [claim] = (await queue?.queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })) ?? []
    if (claim) await queue?.queue.service.settle([{ claim, outcome: 'complete' }])
    await expired
    expect(await replied).toEqual({ state: 'expired' })
    await receiver.has(1)
    expect(JSON.parse(String(receiver.received[0]?.body))).toMatchObject({ id: 'late', state: 'expired' })
    expect(await jsonOf(fetch(`${url}/v1/queues/orders`))).toMatchObject({ totals: { expired: 1 } })
  })

  it('refuses to open with a spill that is the storage itself', async () => {
    const overflow = { policy: 'spill', to: 'memory:one' }
    await expect(openGateway({ orders: { ...never, overflow } }, { storage: 'memory:one' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      path: 'overflow.to',
    })
  })
})

describe('when a task is likely to start', () => {
  const slow = { ...never, rate: { perSecond: 10 } }
  /** Time stands still, for exact figures. */
  const open = (orders: object) => openGateway({ orders: { ...orders } }, {}, { clock: new VirtualClock() })

  it('is told to who asks for it, of one task, of many, and of a request that is not waited for', async () => {
    const gateway = await open(slow)
    await post(
      gateway,
      Array.from({ length: 20 }, (_, payload) => ({ payload })),
    )
    const plain = await post(gateway, { payload: 1 })
    expect(plain.json()).not.toHaveProperty('startsInMs')
    const asked = await post(gateway, { payload: 1 }, { prefer: 'estimate' })
    expect(asked.json()).toMatchObject({ status: 'accepted', position: 21, startsInMs: 2_150 })
    expect(asked.headers['preference-applied']).toBe('estimate')
    const many = await post(gateway, [{ payload: 1 }, { payload: 2 }], { prefer: 'estimate' })
    const [first, second] = many.json().results
    expect(second.startsInMs - first.startsInMs).toBe(100)
    const through = await gateway.app.inject({
      url: '/v1/through/orders/x',
      headers: { prefer: 'respond-async, estimate' },
    })
    expect(through.json()).toMatchObject({ status: 'accepted', position: expect.any(Number) })
    expect(through.headers['preference-applied']).toBe('respond-async, estimate')
  })

  it('decides with shedLate: what would expire before is refused with 429 and the time to come again', async () => {
    const gateway = await open({ ...slow, shedLate: true })
    await post(
      gateway,
      Array.from({ length: 100 }, (_, payload) => ({ payload })),
    )
    const late = await post(gateway, { payload: 1, ttlMs: 4_000 })
    expect([late.statusCode, late.headers['retry-after'], late.json().error.code]).toEqual([429, '7', 'TOO_LATE'])
    expect((late.json() as ErrorBody).error).toMatchObject({ path: 'ttlMs', retryAfterMs: 7_000 })
    expect((await post(gateway, { payload: 1, ttlMs: 11_000 })).statusCode).toBe(202)
    const view = await gateway.app.inject('/v1/queues/orders')
    expect(view.json()).toMatchObject({ limits: { shedLate: true }, depth: { ready: 101 }, totals: { refused: 1 } })
  })

  it('is reckoned with the least of the limits that count starts', async () => {
    const rate = { perMinute: 6_000, also: [{ perSecond: 20 }, { perSecond: 1, counts: 'cost' }] }
    const gateway = await open({ ...never, rate })
    await post(
      gateway,
      Array.from({ length: 10 }, (_, payload) => ({ payload })),
    )
    const asked = await post(gateway, { payload: 1 }, { prefer: 'estimate' })
    expect(asked.json().startsInMs).toBe(525)
  })
})

describe('fair', () => {
  it.each([
    ['keys take turns, unless told otherwise', undefined, 'a1 b1 a2 b2 a3 a4'],
    ['one of weight 4 gets four times as much', { weights: { a: 4 } }, 'a1 b1 a2 a3 a4 b2'],
    ['or all stand in one line', false, 'a1 a2 a3 a4 b1 b2'],
  ])('%s', async (_what, fair, order) => {
    const target = await startTarget()
    const { url, gateway } = await startGateway({
      orders: { target: target.url, paused: true, concurrency: 1, ...(fair !== undefined && { fair }) },
    })
    const tasks = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2'].map((payload) => ({ payload, key: payload[0] }))
    await postJson(`${url}${TASKS}`, tasks)
    gateway.queues.get('orders')?.consumer.resume()
    await target.has(6)
    expect(target.received.map(({ body }) => JSON.parse(String(body))).join(' ')).toBe(order)
  })
})

describe('several limits on the rate', () => {
  it('are shown, and change at run time', async () => {
    const rate = { perSecond: 50, burst: 2, also: [{ perMinute: 600, counts: 'cost' }] }
    const gateway = await openGateway({ orders: { ...never, rate } })
    const shown = (await gateway.app.inject('/v1/queues/orders')).json().limits.rate
    const cost = { perSecond: 10, burst: 0, counts: 'cost' }
    expect(shown).toEqual({ perSecond: 50, burst: 2, counts: 'tasks', also: [cost], rampMs: 500 })
    const patch = (payload: object) => gateway.app.inject({ method: 'PATCH', url: '/v1/queues/orders', payload })
    expect((await patch({ rate: 20 })).json().limits.rate).toMatchObject({ perSecond: 20, burst: 2, also: [cost] })
    const changed = await patch({ rate: { perHour: 3_600, also: [] } })
    expect(changed.json().limits.rate).toMatchObject({ perSecond: 1, also: [] })
    for (const wrong of [{ perSecond: 1, perHour: 1 }, { perSecond: -1 }, { also: [{ burst: 1 }] }, { counts: 'x' }]) {
      expect((await patch({ rate: wrong })).statusCode).toBe(400)
    }
  })
})
