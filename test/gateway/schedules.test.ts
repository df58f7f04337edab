import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { jsonOf, startGateway, startTarget } from './running.ts'

it('tasks that recur are delivered, each tick once, by two gateways on one storage', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-schedules-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const target = await startTarget()
  const beat = { cron: '* * * * * *', payload: { beat: true }, type: 'beat', key: 'k', ttlMs: 60_000 }
  const queues = { orders: { target: target.url, recurring: { heart: beat } } }
  const storage = { storage: `sqlite:${join(folder, 'q.db')}` }
  const gateways = [await startGateway(queues, storage), await startGateway(queues, storage)]
  await target.has(3)
  await Promise.all(gateways.map(({ gateway }) => gateway.stop(1_000)))
  const ids = target.received.map(({ headers }) => headers['forebay-task-id'])
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids[0]).toMatch(/^recurring:heart@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
  expect(target.received[0]?.headers['forebay-task-type']).toBe('beat')
  expect(JSON.parse(String(target.received[0]?.body))).toEqual({ beat: true })
  expect(gateways.flatMap(({ errors }) => errors)).toEqual([])
})

it('limits are what the time of the day says, and a change by hand holds until the next tick', async () => {
  const target = await startTarget()
  const schedule = [{ cron: '0 0 1 1 *', rate: 7, concurrency: 3 }]
  const { gateway, url } = await startGateway({
    orders: { target: target.url, rate: { perSecond: 100, rampMs: 20 }, schedule },
    mails: { target: target.url, rate: 100, schedule: [{ cron: '*/2 * * * * *', rate: { perSecond: 9, rampMs: 3 } }] },
  })
  const limitsOf = async (queue: string) =>
    (await jsonOf<{ limits: { rate: object; concurrency: number } }>(fetch(`${url}/v1/queues/${queue}`))).limits
  expect(await limitsOf('orders')).toMatchObject({ rate: { perSecond: 7, rampMs: 20 }, concurrency: 3 })
  const changed = new Promise<void>(
    (resolve) => void gateway.queues.get('mails')?.consumer.on('schedule', () => resolve()),
  )
  const change = { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"rate":55}' }
  for (const queue of ['orders', 'mails']) expect((await fetch(`${url}/v1/queues/${queue}`, change)).status).toBe(200)
  await changed
  expect(await limitsOf('mails')).toMatchObject({ rate: { perSecond: 9, rampMs: 3 }, concurrency: 8 })
  expect(await limitsOf('orders')).toMatchObject({ rate: { perSecond: 55 }, concurrency: 3 })
})

it('makes up for the last tick before the first start, once, unless since says that none was due', async () => {
  const target = await startTarget()
  const yearly = { cron: '0 0 1 1 *', missed: 'once' }
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
  const { url } = await startGateway({
    orders: {
      target: target.url,
      recurring: { made: { ...yearly, payload: 'made up' }, never: { ...yearly, payload: 'never', since: tomorrow } },
    },
  })
  await target.has(1)
  const view = await jsonOf<{ totals: { accepted: number } }>(fetch(`${url}/v1/queues/orders`))
  expect(view.totals.accepted).toBe(1)
  expect(JSON.parse(String(target.received[0]?.body))).toBe('made up')
})
