/** Azure Queue Storage in trouble, and what comes of it. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openAzureQueue } from '../../packages/forebay/src/backends/azure-queue/open-azure-queue.ts'
import type { BlobStore } from '../../packages/forebay/src/backends/blob-store.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import type { AzureServer } from '../servers/azure-queue.ts'
import { AzureScene, refusedByAzure } from './clouds/azure-scene.ts'
import { burst } from './clouds/count-requests.ts'
import { claimNow, claimOne, ids, settle, task } from './clouds/one-task.ts'
import { work } from './clouds/work.ts'

const DAY_MS = 24 * 3_600_000
const failure = { attempt: 1, at: 1_767_225_600_000, code: 'Error', message: 'no' }

let server: AzureServer
let scene: AzureScene

beforeAll(async () => {
  server = await AzureScene.start()
})

afterAll(() => server?.stop())

beforeEach(async () => {
  scene = await AzureScene.set(server)
})

afterEach(() => scene.end())

describe('refusals', () => {
  test('a busy server is asked again by the SDK, and the task is stored once', async () => {
    const queue = await scene.open({}, 4)
    let left = 2
    scene.proxy.fault = async ({ method }, forward) =>
      method === 'POST' && left-- > 0 ? refusedByAzure(503, 'ServerBusy') : forward()
    expect(await queue.push([task({ id: 'a' })])).toEqual([{ status: 'accepted', id: 'a' }])
    expect(scene.proxy.asked.filter(({ method }) => method === 'POST')).toHaveLength(3)
    expect((await queue.depth()).ready).toBe(1)
  })

  test.each([
    [503, 'ServerBusy', { 'retry-after': '7' }, { code: 'BACKEND_UNAVAILABLE', retryAfterMs: 7_000 }],
    [500, 'OperationTimedOut', {}, { code: 'BACKEND_UNAVAILABLE' }],
    [403, 'AuthorizationFailure', {}, { code: 'BACKEND_UNAVAILABLE' }],
    [404, 'QueueNotFound', {}, { code: 'UNKNOWN_QUEUE' }],
    [413, 'RequestBodyTooLarge', {}, { code: 'PAYLOAD_TOO_LARGE' }],
    [400, 'InvalidQueryParameterValue', {}, { code: 'INTERNAL' }],
  ])('%i %s: every method says so in our words, and all is as it was', async (status, code, headers, expected) => {
    const queue = await scene.open()
    await queue.push([task()])
    const claim = await claimOne(queue)
    scene.proxy.fault = async () => refusedByAzure(status, code, headers)
    await expect(queue.push([task()])).rejects.toMatchObject(expected)
    await expect(claimNow(queue, 1)).rejects.toMatchObject(expected)
    await expect(queue.claim({ max: 1, leaseMs: 60_000, waitMs: 5_000 })).rejects.toMatchObject(expected)
    await expect(queue.depth()).rejects.toMatchObject(expected)
    await expect(queue.dead.list({ limit: 1 })).rejects.toMatchObject(expected)
    await expect(queue.extend([claim], 60_000)).rejects.toMatchObject(expected)
    expect(await queue.settle([{ claim, outcome: 'complete' }])).toMatchObject([{ status: 'failed', error: expected }])
    scene.proxy.heal()
    expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 0 })
  })

  test.each([
    [400, 'PopReceiptMismatch'],
    [404, 'MessageNotFound'],
  ])('%i %s: somebody else has it, so it is stale', async (status, code) => {
    const queue = await scene.open()
    await queue.push([task(), task(), task()])
    const [a, b, c] = await claimNow(queue)
    if (!a || !b || !c) throw new Error('three were to be granted')
    scene.proxy.fault = async () => refusedByAzure(status, code)
    expect(await settle(queue, a, { outcome: 'complete' })).toBe('stale')
    expect(await settle(queue, b, { outcome: 'retry', delayMs: 0, failure })).toBe('stale')
    expect(await queue.extend([c], 60_000)).toEqual([{ status: 'stale' }])
  })

  test('an extension and a settlement at once do not trip over the receipt that changes', async () => {
    const queue = await scene.open()
    await queue.push([task()])
    const claim = await claimOne(queue)
    const [extended, settled] = await Promise.all([
      queue.extend([claim], 60_000),
      settle(queue, claim, { outcome: 'complete' }),
    ])
    expect(settled).toBe('settled')
    expect(extended).toEqual([{ status: 'stale' }])
    expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, delayed: 0 })
  })
})

test('a storm of 5xx, busy answers and cut lines, before and after the deed: what was accepted is handled', async () => {
  const random = seededRandom(11)
  const queue = await scene.open({}, 3)
  let storms = 100
  scene.proxy.fault = async (_, forward) => {
    const chance = random.next()
    if (storms <= 0 || chance > 0.3) return forward()
    storms--
    if (chance < 0.1) return 'reset'
    if (chance < 0.2) return refusedByAzure(503, 'ServerBusy')
    await forward()
    return chance < 0.25 ? 'reset' : refusedByAzure(500, 'InternalError')
  }
  const payloads = Array.from({ length: 100 }, (_, n) => n)
  const { leveled, consumer, handled, errors, accepted } = await work(queue, payloads)
  scene.proxy.heal()
  expect(accepted.filter((payload) => !handled.has(payload))).toEqual([])
  expect(accepted.length).toBeGreaterThan(payloads.length / 2)
  expect(errors.filter((code) => code !== 'BACKEND_UNAVAILABLE')).toEqual([])
  await consumer.stop({ graceMs: 5_000 })
  await leveled.close()
})

describe('polling', () => {
  test('an idle consumer asks less and less often, and at once for what its own process enqueues', async () => {
    const queue = await scene.open()
    const asks = () =>
      scene.proxy.asked.filter(({ method, path }) => method === 'GET' && path.includes('numofmessages')).length
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
    await sleep(systemClock, 2_000)
    // At 0, 100, 300, 700 and 1,500 ms.
    expect(asks()).toBeGreaterThanOrEqual(3)
    expect(asks()).toBeLessThanOrEqual(5)
    await queue.push([task({ id: 'now' })])
    expect(ids(await parked)).toEqual(['now'])
    expect(asks()).toBeLessThanOrEqual(7)
  })

  test('what a task costs: a put and a deletion each, and a get for many', async () => {
    const queue = await scene.open()
    const tasks = 200
    const before = scene.proxy.asked.length
    await burst(queue, tasks, 32)
    const asked = scene.proxy.asked.slice(before)
    const count = (what: string) => asked.filter(({ method }) => method === what).length
    const counts = ['POST', 'GET', 'DELETE', 'PUT'].map(count)
    console.error(`Azure: ${asked.length} requests for ${tasks} tasks: put, get, delete, update ${counts.join(', ')}`)
    expect(count('POST')).toBe(tasks)
    expect(count('DELETE')).toBe(tasks)
    expect(asked.length / tasks).toBeLessThan(2.5)
  })
})

describe('messages', () => {
  test('a delay of more than seven days goes on, and having been looked at is no attempt', async () => {
    const queue = await scene.open()
    const record = { id: 'late', type: 'charge', createdAt: 0, leftMs: 1_000 }
    const text = `{"forebay":1,${JSON.stringify(record).slice(1)}\n1`
    await queue.push([task({ id: 'later', delayMs: 8 * DAY_MS })])
    expect((await queue.depth()).delayed).toBe(1)
    await scene.raw().sendMessage(Buffer.from(text).toString('base64'))
    expect(await claimNow(queue)).toEqual([])
    const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect(claim?.task).toMatchObject({ id: 'late', attempts: 1 })
  })

  test('what others put there is buried whole, and what the host of Azure Functions has buried is listed', async () => {
    const queue = await scene.open()
    await scene.raw().sendMessage('plain text, <not> ours')
    await scene.raw(`${scene.name}-poison`).sendMessage(Buffer.from('{"order":1}').toString('base64'))
    expect(await claimNow(queue)).toEqual([])
    const { items } = await queue.dead.list({ limit: 10 })
    const found = items.map(({ reason, task: { payload } }) => ({ reason, payload: JSON.parse(payload) }))
    expect(found).toEqual([
      { reason: 'unreadable', payload: '{"order":1}' },
      { reason: 'unreadable', payload: 'plain text, <not> ours' },
    ])
    expect(await queue.dead.drop('all')).toBe(2)
  })

  test.each(['base64', 'utf8'] as const)(
    'the longest payload as %s keeps the last failures that fit beside it',
    async (encoding) => {
      const queue = await scene.open({ encoding })
      const payload = JSON.stringify('ü\uFFFF🏞<&>'.padEnd(queue.capabilities.maxPayloadBytes - 16, 'x'))
      await queue.push([task({ id: 'a', payload })])
      for (let attempt = 1; attempt <= 20; attempt++) {
        const claim = await claimOne(queue)
        const long = { ...failure, attempt, message: 'ü'.repeat(2_000) }
        expect(await settle(queue, claim, { outcome: 'retry', delayMs: 0, failure: long })).toBe('settled')
      }
      const { task: kept } = await claimOne(queue)
      expect(kept.payload).toBe(payload)
      expect(kept.attempts).toBe(21)
      expect(kept.failures.at(-1)?.attempt).toBe(20)
      expect(kept.failures.length).toBeLessThan(10)
    },
  )

  test('larger ones are refused at the door, or go to the blob store and come back', async () => {
    const leveled = await LoadLevelingQueue.open(await scene.open())
    const large = 'x'.repeat(100_000)
    await expect(leveled.enqueue({ type: 'charge', payload: large })).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    })
    const kept = new Map<string, string>()
    const blobs: BlobStore = {
      put: async (key, text) => void kept.set(key, text),
      get: async (key) => kept.get(key),
      delete: async (key) => void kept.delete(key),
    }
    const queue = await scene.open({ blobs })
    await queue.push([task({ payload: JSON.stringify(large) })])
    const claim = await claimOne(queue)
    expect(claim.task.payload).toBe(JSON.stringify(large))
    await settle(queue, claim, { outcome: 'complete' })
    expect(kept.size).toBe(0)
    await leveled.close()
  })

  test('more dead letters than can be peeked at are walked, and given back', async () => {
    const queue = await scene.open()
    const tasks = Array.from({ length: 40 }, () => task())
    await queue.push(tasks)
    const claims = await claimNow(queue)
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'dead', reason: 'refused' })))
    const { items } = await queue.dead.list({ limit: 100 })
    expect(ids(items.map((item) => item.task))).toEqual(ids(tasks))
    expect(await queue.dead.redrive('all')).toBe(40)
    expect(ids(await claimNow(queue))).toEqual(ids(tasks))
  })
})

describe('opening', () => {
  test.each([
    ['azure-queue://My_Account', 'INVALID_URL', 'names a storage account'],
    ['azure-queue://acc?encodng=utf8', 'INVALID_URL', 'no parameter "encodng"'],
    ['azure-queue://acc?endpoint=localhost', 'INVALID_URL', 'no endpoint'],
    ['azure-queue://acc?encoding=hex', 'INVALID_URL', 'base64 or utf8'],
    ['azure-queue://acc?create=no', 'INVALID_URL', 'true or false'],
  ])('%s is refused: %s', async (url, code, why) => {
    await expect(openAzureQueue({ url })).rejects.toMatchObject({ code })
    await expect(openAzureQueue({ url })).rejects.toThrow(why)
  })

  test('a name that Azure does not take, no account, and a connection string that can’t be read are INVALID_OPTION', async () => {
    const expected = { code: 'INVALID_OPTION' }
    await expect(scene.open({ queue: 'Orders' })).rejects.toMatchObject(expected)
    await expect(scene.open({ queue: 'ab' })).rejects.toMatchObject(expected)
    await expect(openAzureQueue({ queue: 'orders' })).rejects.toMatchObject(expected)
    await expect(openAzureQueue({ queue: 'orders', connectionString: 'secret' })).rejects.toMatchObject(expected)
    await expect(openAzureQueue({ queue: 'orders', connectionString: 'secret' })).rejects.not.toThrow('secret')
  })

  test('a URL opens the queue under its prefix; one that is not there and not to be made is UNKNOWN_QUEUE', async () => {
    const { connectionString } = scene
    const open = (url: string) => openAzureQueue({ url, connectionString, queue: scene.name })
    await expect(open('azure-queue:///shop-?create=false')).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    await (await open('azure-queue:///shop-')).close()
    expect(await scene.raw(`shop-${scene.name}-poison`).exists()).toBe(true)
  })
})
