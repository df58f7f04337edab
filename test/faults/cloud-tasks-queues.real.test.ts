/** Queues of Cloud Tasks as they are found, made and changed, and what is in them. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobStore } from '../../packages/forebay/src/backends/blob-store.ts'
import { openCloudTasks } from '../../packages/forebay/src/backends/cloud-tasks/open-cloud-tasks.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { LeveledConsumer } from '../../packages/forebay/src/consumer/leveled-consumer.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { PARENT, SERVICE_ACCOUNT } from '../servers/cloud-tasks.ts'
import { CloudTasksScene, until, URL } from './clouds/cloud-tasks-scene.ts'
import { burst } from './clouds/count-requests.ts'
import { claimNow, claimOne, ids, settle, task } from './clouds/one-task.ts'

const DAY_MS = 24 * 3_600_000
const failure = { attempt: 1, at: 1_767_225_600_000, code: 'Error', message: 'no' }

let scene: CloudTasksScene

beforeEach(async () => {
  scene = await CloudTasksScene.set()
})

afterEach(() => scene.end())

describe('settings', () => {
  test('a queue is made with its rate, its concurrency and endless attempts, and its dead letters are paused', async () => {
    const queue = await scene.open({ level: { perSecond: 50, concurrency: 8 } })
    expect(await queue.level()).toEqual({ perSecond: 50, burst: 50, concurrency: 8, paused: false })
    expect(scene.at().settings.retryConfig).toMatchObject({ maxAttempts: -1, maxDoublings: 6 })
    expect(scene.at('-dead').paused).toBe(true)
  })

  test('they are changed when ours change, and not asked to when they have not', async () => {
    const queue = await scene.open({ level: { perSecond: 50 } })
    expect(await queue.level({ perSecond: 20 })).toMatchObject({ perSecond: 20, concurrency: 1_000 })
    expect(await queue.level({ concurrency: 4 })).toMatchObject({ perSecond: 20, concurrency: 4 })
    expect(scene.server.count('updateQueue')).toBe(2)
    await queue.level({ perSecond: 20, concurrency: 4 })
    await queue.level()
    expect(scene.server.count('updateQueue')).toBe(2)
    // Changes that come together are made one after another: what is not named stays as the one before left it.
    const [, both] = await Promise.all([queue.level({ perSecond: 30 }), queue.level({ concurrency: 5 })])
    expect(both).toMatchObject({ perSecond: 30, concurrency: 5 })
    await queue.level({ perSecond: 20, concurrency: 4 })
    // Somebody has changed them by hand: the next one who opens it brings them back.
    scene.at().change({ rateLimits: { maxDispatchesPerSecond: 1, maxConcurrentDispatches: 4 } }, ['rate_limits'])
    await scene.open({ level: { perSecond: 20, concurrency: 4 } })
    expect(scene.at().settings.rateLimits.maxDispatchesPerSecond).toBe(20)
  })

  test('with manage=false nothing is made or changed', async () => {
    await expect(scene.open({ manage: false })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
    const { queues } = scene.server
    queues.make(`${PARENT}/queues/${scene.name}`, {})
    const dead = queues.make(`${PARENT}/queues/${scene.name}-dead`, {})
    await expect(scene.open({ manage: false })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    dead.pause(true)
    const queue = await scene.open({ manage: false, level: { perSecond: 5 } })
    expect(await queue.level()).toMatchObject({ perSecond: 500 })
    await expect(queue.push([task({ dedup: { id: 'a', windowMs: 60_000 } })])).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
    })
    const changes = ['createQueue', 'updateQueue', 'pauseQueue'].map((method) => scene.server.count(method))
    expect(changes).toEqual([0, 0, 0])
  })

  test('its rate follows the consumers’, when they start and when they are changed', async () => {
    const service = await scene.open({ level: { perSecond: 100, concurrency: 32 } })
    const queue = await LoadLevelingQueue.open(service, { coordinator: 'memory:' })
    const done: string[] = []
    const consumer = new LeveledConsumer(queue, ({ id }) => void done.push(id), { rate: { perSecond: 50 } })
    const perSecond = () => scene.at().settings.rateLimits.maxDispatchesPerSecond
    await consumer.start()
    await until(() => perSecond() === 50)
    consumer.update({ rate: { perMinute: 1_200 } })
    await until(() => perSecond() === 20)
    expect(await service.level()).toMatchObject({ perSecond: 20, concurrency: 32 })
    // What is taken away of ours takes away the bound of theirs.
    consumer.update({ rate: null })
    await until(() => perSecond() === 500)
    const { id } = await queue.enqueue({ type: 'charge', payload: 1 })
    await until(() => done.includes(id))
    expect(() => consumer.update({ rate: { perSecond: 501 } })).toThrow('at most 500 tasks a second')
    expect(perSecond()).toBe(500)
    await consumer.stop()
    await queue.close()
  })

  test('with manage=false it follows nobody', async () => {
    await (await scene.open({ level: { perSecond: 100 } })).close()
    const service = await scene.open({ manage: false })
    const queue = await LoadLevelingQueue.open(service, { coordinator: 'memory:' })
    const consumer = new LeveledConsumer(queue, () => {}, { rate: { perSecond: 50 } })
    const asked = scene.server.count('getQueue')
    await consumer.start()
    await until(() => scene.server.count('getQueue') > asked)
    await consumer.stop()
    await queue.close()
    expect([scene.at().settings.rateLimits.maxDispatchesPerSecond, scene.server.count('updateQueue')]).toEqual([100, 0])
  })

  test('the rate and the concurrency are kept by the service', async () => {
    const queue = await scene.open({ level: { perSecond: 20, concurrency: 3 } })
    await queue.push(Array.from({ length: 30 }, () => task()))
    for (let done = 0; done < 30; done++) {
      const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
      if (claim) expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
    }
    const { dispatchedAt, mostUnderWay } = scene.at()
    expect(mostUnderWay).toBeLessThanOrEqual(3)
    // A burst of a second's, then evenly.
    expect((dispatchedAt.at(-1) ?? 0) - (dispatchedAt[0] ?? 0)).toBeGreaterThanOrEqual(450)
  })

  test('pause, resume, purge', async () => {
    const queue = await scene.open()
    await queue.pause()
    await queue.push([task({ id: 'a' }), task({ id: 'b' })])
    expect(await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 300 })).toEqual([])
    expect(await queue.depth()).toMatchObject({ ready: 2 })
    await queue.resume()
    expect((await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })).length).toBe(1)
    await queue.pause()
    await queue.push([task()])
    await queue.purge()
    await queue.resume()
    expect(scene.at().tasks.size).toBe(0)
  })
})

describe('tasks', () => {
  test('a delay of more than 29 days goes on by a copy, and having been looked at is no attempt', async () => {
    const queue = await scene.open()
    await queue.push([task({ id: 'later', delayMs: 40 * DAY_MS })])
    const [far] = scene.at().tasks.values()
    expect((far?.dueAt ?? 0) - systemClock.now()).toBeLessThan(30 * DAY_MS)
    expect((await queue.depth()).delayed).toBe(1)
    const record = { id: 'late', type: 'charge', createdAt: 0, leftMs: 300 }
    scene.deliverRaw(`{"forebay":1,${JSON.stringify(record).slice(1)}\n1`)
    const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect(claim?.task).toMatchObject({ id: 'late', attempts: 1 })
  })

  test('what others put there is buried whole', async () => {
    const queue = await scene.open()
    scene.deliverRaw('plain text, <not> ours')
    await until(async () => (await queue.depth()).dead === 1)
    const { items } = await queue.dead.list({ limit: 10 })
    const [{ reason, task: found } = { reason: '', task: undefined }] = items
    expect([reason, JSON.parse(found?.payload ?? '')]).toEqual(['unreadable', 'plain text, <not> ours'])
    expect(await queue.dead.drop('all')).toBe(1)
  })

  test('the longest payload keeps the last failures that fit beside it', async () => {
    const queue = await scene.open()
    const payload = JSON.stringify('ü🏞'.padEnd(queue.capabilities.maxPayloadBytes - 16, 'x'))
    await queue.push([task({ payload })])
    for (let attempt = 1; attempt <= 20; attempt++) {
      const claim = await claimOne(queue)
      const long = { ...failure, attempt, message: 'ü'.repeat(2_000) }
      expect(await settle(queue, claim, { outcome: 'retry', delayMs: 0, failure: long })).toBe('settled')
    }
    const { task: kept } = await claimOne(queue)
    expect([kept.payload === payload, kept.attempts, kept.failures.at(-1)?.attempt]).toEqual([true, 21, 20])
    expect(kept.failures.length).toBeLessThan(10)
  })

  test('larger ones are refused at the door, or go to the blob store and come back', async () => {
    const large = 'x'.repeat(200_000)
    const leveled = await LoadLevelingQueue.open(await scene.open())
    const refused = leveled.enqueue({ type: 'charge', payload: large })
    await expect(refused).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    await leveled.close()
    const kept = new Map<string, string>()
    const blobs: BlobStore = {
      put: async (key, text) => void kept.set(key, text),
      get: async (key) => kept.get(key),
      delete: async (key) => void kept.delete(key),
    }
    const queue = await scene.open({ blobs })
    await queue.push([task({ payload: JSON.stringify(large) })])
    const first = await claimOne(queue)
    await settle(queue, first, { outcome: 'retry', delayMs: 0, failure })
    const second = await claimOne(queue)
    expect(second.task.payload).toBe(JSON.stringify(large))
    expect(await settle(queue, second, { outcome: 'complete' })).toBe('settled')
    expect(kept.size).toBe(0)
  })

  test('what a task costs: it is created and delivered', async () => {
    const queue = await scene.open({ level: { perSecond: 500, concurrency: 32 } })
    const tasks = 200
    const [asked, delivered] = [scene.server.asked.length, scene.front.asked.length]
    await burst(queue, tasks, 32)
    await until(() => scene.at().tasks.size === 0)
    const counts = { requests: scene.server.asked.length - asked, deliveries: scene.front.asked.length - delivered }
    console.error(`Cloud Tasks: ${JSON.stringify(counts)} for ${tasks} tasks`)
    expect(counts).toEqual({ requests: tasks, deliveries: tasks })
  })

  test('a bound is kept by this process, however old a depth may be', async () => {
    const queue = await scene.open({ depthEveryMs: 60_000 })
    expect((await queue.depth()).ready).toBe(0)
    const push = async (count: number) => {
      const results = await queue.push(
        Array.from({ length: count }, () => task()),
        { maxDepth: 3 },
      )
      return results.filter(({ status }) => status === 'accepted').length
    }
    expect([await push(2), await push(2), await push(1)]).toEqual([2, 1, 0])
    const [claim] = await claimNow(queue, 1)
    if (claim) expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
    expect([await push(1), await push(1)]).toEqual([1, 0])
  })

  test('an old depth is answered for as long as was asked for', async () => {
    const queue = await scene.open({ depthEveryMs: 300 })
    await queue.depth()
    const before = scene.server.count('listTasks')
    await Promise.all([queue.depth(), queue.depth()])
    expect(scene.server.count('listTasks')).toBe(before)
    await sleep(systemClock, 350)
    await queue.depth()
    expect(scene.server.count('listTasks')).toBe(before + 2)
  })
})

describe('opening', () => {
  test.each([
    ['cloud-tasks://shop', 'INVALID_URL', 'a project and a location'],
    ['cloud-tasks://shop/europe-west1?targt=x', 'INVALID_URL', 'no parameter "targt"'],
    ['cloud-tasks://shop/europe-west1?rate=fast', 'INVALID_URL', 'rate is a number'],
    ['cloud-tasks://shop/europe-west1?listen=here', 'INVALID_URL', 'listen is a port'],
    ['cloud-tasks://shop/europe-west1?manage=no', 'INVALID_URL', 'true or false'],
    ['cloud-tasks:', 'INVALID_OPTION', 'Which project?'],
    ['cloud-tasks://shop/europe-west1', 'INVALID_OPTION', 'target is the https:// address'],
    ['cloud-tasks://shop/europe-west1?target=https://x.example', 'INVALID_OPTION', 'Who may deliver?'],
    ['cloud-tasks://s/l?target=https://x.example&verify=false&listen=0&deadlineMs=1000', 'INVALID_OPTION', '15000 to'],
    ['cloud-tasks://s/l?target=https://x.example&verify=false&listen=0&rate=501', 'UNSUPPORTED', '500 tasks a second'],
    ['cloud-tasks://s/l?target=https://x.example&verify=false&listen=0&concurrency=5001', 'UNSUPPORTED', '5000 tasks'],
  ])('%s is refused: %s', async (url, code, why) => {
    const opening = openCloudTasks({ url, client: scene.client })
    await expect(opening).rejects.toMatchObject({ code })
    await expect(opening).rejects.toThrow(why)
  })

  test('a name that Cloud Tasks does not take, and a bound that it can’t count to', async () => {
    await expect(scene.open({ queue: 'orders_1' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const queue = await scene.open()
    await expect(queue.push([task()], { maxDepth: 100_000 })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(queue.push([task()], {}, {})).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  test('without credentials it says so, and no call is left to fail by itself', async () => {
    const initialize = () => Promise.reject(new Error('Could not load the default credentials.'))
    const opening = scene.open({ client: { initialize } as unknown as typeof scene.client })
    await expect(opening).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    await expect(opening).rejects.toThrow('refuses us')
  })

  test('a process without a receiver enqueues, and can’t claim', async () => {
    const { target, client } = scene
    const queue = await scene.open()
    const producer = await openCloudTasks({
      url: URL,
      client,
      target,
      serviceAccount: SERVICE_ACCOUNT,
      queue: scene.name,
    })
    await producer.push([task({ id: 'a' })])
    await expect(claimNow(producer)).rejects.toThrow('add listen=8080')
    expect((await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 }))[0]?.id).toBe('a')
    await producer.close()
  })

  test('queues of one URL share a listener under their own names, until the last one is closed', async () => {
    const url = `${URL}/shop-?target=${scene.target}&verify=false&listen=127.0.0.1:0&serviceAccount=${SERVICE_ACCOUNT}`
    const open = (queue: string) => openCloudTasks({ url, client: scene.client, queue })
    const [orders, mails] = [await open('orders'), await open('mails')]
    expect(scene.server.queues.get(`${PARENT}/queues/shop-orders-dead`).paused).toBe(true)
    await orders.close()
    expect(await mails.depth()).toMatchObject({ ready: 0 })
    await mails.close()
  })

  test('a receiver that is mounted in a server of one’s own', async () => {
    const { createServer } = await import('node:http')
    const server = createServer((incoming, outgoing) => {
      if (incoming.url?.startsWith('/tasks/')) scene.receiver.handle(incoming, outgoing)
      else outgoing.end('mine')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const queue = await scene.open({ target: `http://127.0.0.1:${port}/tasks` })
    await queue.push([task({ id: 'a' })])
    expect(ids(await claimNow(queue))).toEqual(['a'])
    await queue.close()
    server.closeAllConnections()
    server.close()
  })
})
