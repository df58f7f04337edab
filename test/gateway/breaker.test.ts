import { expect, it } from 'vitest'
import { jsonOf, postJson, startGateway, startTarget } from './running.ts'

it('stands still while the target is down, says why, and goes on by itself when it is back', async () => {
  let isDown = true
  const target = await startTarget((_request, response) => response.writeHead(isDown ? 500 : 204).end())
  const breaker = { minCalls: 5, openMs: 1_500, maxOpenMs: 1_500 }
  // More than the calls that open it, so that no task can use them up before.
  const retry = { maxAttempts: 6, baseMs: 1, capMs: 2 }
  const { gateway, url } = await startGateway({ orders: { target: target.url, concurrency: 1, retry, breaker } })
  const queue = gateway.queues.get('orders')
  const became = (wanted: string) =>
    new Promise<void>((resolve) => queue?.consumer.on('breaker', ({ state }) => state === wanted && resolve()))
  const completed = new Promise<void>((resolve) => {
    let count = 0
    queue?.consumer.on('completed', () => ++count === 40 && resolve())
  })
  const [open, closed] = [became('open'), became('closed')]
  const tasks = Array.from({ length: 40 }, (_, n) => ({ payload: { n } }))
  await Promise.all(tasks.map((task) => postJson(`${url}/v1/queues/orders/tasks`, task)))
  await open
  const view = await jsonOf<{ state: string; standsStill: unknown }>(fetch(`${url}/v1/queues/orders`))
  expect(view).toMatchObject({
    state: 'running',
    standsStill: { reason: 'The circuit breaker is open: 5 of 5 calls failed.', until: expect.any(Number) },
  })
  isDown = false
  await closed
  await completed
  expect((await queue?.queue.depth())?.dead).toBe(0)
})
