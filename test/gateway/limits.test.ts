import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Respond, startGateway, startTarget } from './running.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

const enqueue = (url: string, keys: readonly string[]) =>
  fetch(`${url}/v1/queues/orders/tasks`, {
    method: 'POST',
    headers: JSON_TYPE,
    body: JSON.stringify(keys.map((key, payload) => ({ type: 't', payload, key }))),
  })

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'forebay-limits-'))
  onTestFinished(() => rm(made, { recursive: true }))
  return made
}

/** Answers when it is told to. */
function heldTarget() {
  const held: (() => void)[] = []
  const respond: Respond = (_request, response) => void held.push(() => response.end('{}'))
  const answerAll = () => {
    for (const answer of held.splice(0)) answer()
  }
  return { respond, answerAll }
}

it('no key has more at the target than perKey says, over two gateways, and another key is not held up', async () => {
  const { respond, answerAll } = heldTarget()
  const target = await startTarget(respond)
  const queues = { orders: { target: target.url, perKey: { concurrency: 1 } } }
  const storage = { storage: `sqlite:${join(await folder(), 'q.db')}` }
  const [one] = [await startGateway(queues, storage), await startGateway(queues, storage)]
  expect((await enqueue(one.url, ['a', 'a', 'a', 'b'])).status).toBe(202)
  const keys = () => target.received.map(({ body }) => String(body))
  await target.has(2)
  // One of each key: the first of a, which is 0, and b's, which is 3.
  expect(keys().sort()).toEqual(['0', '3'])
  answerAll()
  await target.has(3)
  expect(keys()).toEqual([expect.anything(), expect.anything(), '1'])
  answerAll()
  await target.has(4)
  answerAll()
})

it('a concurrency of the scope queue is one limit for all gateways', async () => {
  const { respond, answerAll } = heldTarget()
  const target = await startTarget(respond)
  const queues = { orders: { target: target.url, concurrency: { max: 2, scope: 'queue' } } }
  const storage = { storage: `sqlite:${join(await folder(), 'q.db')}` }
  const [one] = [await startGateway(queues, storage), await startGateway(queues, storage)]
  await enqueue(one.url, ['a', 'b', 'c', 'd', 'e'])
  for (let answered = 0; answered < 5; ) {
    await target.has(answered + 1)
    const running = target.received.length - answered
    expect(running).toBeLessThanOrEqual(2)
    answered = target.received.length
    answerAll()
  }
})

it.each([
  [{ perKey: {} }, 'names a concurrency, a rate or both'],
  [{ perKey: { concurency: 2 } }, 'Did you mean "concurrency"?'],
  [{ perKey: { rate: { perSecond: 1, perMinute: 2 } } }, 'names perSecond and perMinute'],
  [{ concurrency: { max: 2, scope: 'galaxy' } }, 'concurrency'],
])('%j is refused: %s', async (settings, message) => {
  const opening = startGateway({ orders: { target: 'http://127.0.0.1:9', ...settings } })
  await expect(opening).rejects.toThrow(message)
})

it('a storage that cannot keep a limit for all gateways does with a coordinator', async () => {
  const target = await startTarget()
  const queues = { orders: { target: target.url, rate: 20 } }
  const coordinator = `sqlite:${join(await folder(), 'coordinator.db')}`
  const { url, gateway } = await startGateway(queues, { storage: 'memory:', coordinator })
  await enqueue(url, ['a', 'b', 'c'])
  await target.has(3)
  await gateway.stop(1_000)
  const missing = { storage: 'memory:', coordinator: 'nowhere:' }
  await expect(startGateway(queues, missing)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
})
