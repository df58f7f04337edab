/** Queues as accounts have them: redrive policies, moves, FIFO, large payloads. */

import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobStore } from '../../packages/forebay/src/backends/blob-store.ts'
import { openSqs } from '../../packages/forebay/src/backends/sqs/open-sqs.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { clientOf } from '../servers/sqs.ts'
import { claimNow, claimOne, ids, settle, task } from './clouds/one-task.ts'
import { actionOf, answered, refused, SqsScene } from './clouds/sqs-scene.ts'

let scene: SqsScene

beforeEach(async () => {
  scene = await SqsScene.set()
})

afterEach(() => scene.end())

const failure = { attempt: 1, at: 1_767_225_600_000, code: 'Error', message: 'no' }

/** A queue that somebody has made, and its own dead-letter queue. */
async function ownQueue(maxReceiveCount: number): Promise<void> {
  const client = clientOf(scene.server.endpoint)
  await client.send(new CreateQueueCommand({ QueueName: `${scene.name}-own-dlq` }))
  const deadLetterTargetArn = `arn:aws:sqs:eu-central-1:000000000000:${scene.name}-own-dlq`
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount })
  await client.send(new CreateQueueCommand({ QueueName: scene.name, Attributes: { RedrivePolicy } }))
}

describe('dead letters', () => {
  test('a queue that is made keeps its dead for longer than its tasks, and lets SQS move them back', async () => {
    await scene.open()
    const settings = async (name: string) => {
      const QueueUrl = `${scene.server.endpoint}/000000000000/${name}`
      const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
      return (await clientOf(scene.server.endpoint).send(command)).Attributes ?? {}
    }
    const [main, dead] = [await settings(scene.name), await settings(`${scene.name}-dead`)]
    expect(Number(dead.MessageRetentionPeriod)).toBeGreaterThan(Number(main.MessageRetentionPeriod))
    expect(JSON.parse(main.RedrivePolicy ?? '')).toMatchObject({ deadLetterTargetArn: dead.QueueArn })
  })

  test('the redrive policy of a queue that is there is used: its own queue is where the dead go', async () => {
    await ownQueue(5)
    const queue = await scene.open()
    await queue.push([task({ id: 'a' })])
    await settle(queue, await claimOne(queue), { outcome: 'dead', reason: 'refused', failure })
    expect(scene.server.queue(`${scene.name}-own-dlq`)).toBeDefined()
    expect(() => scene.server.queue(`${scene.name}-dead`)).toThrow('no queue')
    expect((await queue.dead.list({ limit: 9 })).items).toMatchObject([{ reason: 'refused', task: { id: 'a' } }])
    expect(await queue.dead.redrive(['a'])).toBe(1)
    expect((await claimOne(queue)).task).toMatchObject({ attempts: 1, failures: [failure] })
  })

  test('what SQS itself has moved there is seen, with its attempts, and can be redriven', async () => {
    await ownQueue(2)
    const queue = await scene.open()
    await queue.push([task({ id: 'crashes' })])
    for (let crash = 0; crash < 2; crash++) {
      await claimOne(queue)
      scene.makeDue()
    }
    expect(await claimNow(queue)).toEqual([])
    const { items } = await queue.dead.list({ limit: 9 })
    expect(items).toMatchObject([{ reason: 'attempts-exhausted', task: { id: 'crashes', attempts: 2 } }])
    expect(await queue.dead.redrive('all')).toBe(1)
    expect((await claimOne(queue)).task).toMatchObject({ id: 'crashes', attempts: 1 })
  })

  test('a policy of a single receive is refused, and the message says why', async () => {
    await ownQueue(1)
    await expect(scene.open()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(scene.open()).rejects.toThrow('maxReceiveCount of 1')
  })

  /** The stand-in can't move: the proxy does it for it, with the messages as they are. */
  test('SQS is asked to move them all, and they come with no attempts and their time to live anew', async () => {
    const queue = await scene.open()
    await queue.push([task({ id: 'a', ttlMs: 60_000 }), task({ id: 'b' })])
    for (const claim of await claimNow(queue))
      await settle(queue, claim, { outcome: 'dead', reason: 'refused', failure })
    const moves: object[] = []
    scene.proxy.fault = async (asked, forward) => {
      if (actionOf(asked) === 'StartMessageMoveTask') {
        moves.push(JSON.parse(asked.body))
        const client = clientOf(scene.server.endpoint)
        const QueueUrl = `${scene.server.endpoint}/000000000000/${scene.name}`
        for (const { body } of scene.server.take(`${scene.name}-dead`)) {
          await client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }))
        }
        return answered({ TaskHandle: 'handle' })
      }
      if (actionOf(asked) !== 'ListMessageMoveTasks') return forward()
      const Status = scene.count('ListMessageMoveTasks') < 2 ? 'RUNNING' : 'COMPLETED'
      return answered({ Results: [{ Status, ApproximateNumberOfMessagesMoved: 2 }] })
    }
    expect(await queue.dead.redrive('all')).toBe(2)
    const arn = `arn:aws:sqs:eu-central-1:000000000000:${scene.name}`
    expect(moves).toEqual([{ SourceArn: `${arn}-dead`, DestinationArn: arn }])
    const claims = await claimNow(queue)
    expect(ids(claims)).toEqual(['a', 'b'])
    for (const { task: moved, expired } of claims) {
      expect({ expired, ...moved }).toMatchObject({ expired: false, attempts: 1, failures: [failure] })
    }
  })

  test('a move that fails is told, and what was not moved is kept', async () => {
    const queue = await scene.open()
    scene.proxy.fault = async (asked, forward) => {
      if (actionOf(asked) === 'StartMessageMoveTask') return answered({ TaskHandle: 'handle' })
      if (actionOf(asked) !== 'ListMessageMoveTasks') return forward()
      return answered({ Results: [{ Status: 'FAILED', FailureReason: 'no', ApproximateNumberOfMessagesMoved: 1 }] })
    }
    await expect(queue.dead.redrive('all')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    scene.proxy.fault = async (asked, forward) =>
      actionOf(asked) === 'StartMessageMoveTask' ? refused('AccessDenied', 403) : forward()
    expect(await queue.dead.redrive('all')).toBe(0)
  })
})

describe('fifo', () => {
  const A = { key: 'tenant 7 ✓', ordered: true }

  test('ordered tasks of a key run one after another, whatever becomes of each; others go on beside', async () => {
    const queue = await scene.open({ fifo: true })
    expect(queue.capabilities).toMatchObject({ keyOrder: true, releases: 'counted' })
    await queue.push([
      task({ id: 'a1', ...A }),
      task({ id: 'a2', ...A }),
      task({ id: 'b', key: 'b' }),
      task({ id: 'c' }),
    ])
    const first = await claimNow(queue)
    expect(ids(first)).toEqual(['a1', 'b', 'c'])
    const [a1] = first.filter(({ id }) => id === 'a1')
    if (!a1) throw new Error('a1 was to be granted')
    expect(await settle(queue, a1, { outcome: 'retry', delayMs: 60_000, failure })).toBe('settled')
    expect(await claimNow(queue)).toEqual([])
    scene.makeDue(`${scene.name}.fifo`)
    const again = (await claimNow(queue)).filter(({ id }) => id === 'a1')
    expect(again).toMatchObject([{ task: { attempts: 2 } }])
    expect(await claimNow(queue)).toEqual([])
    if (again[0]) await settle(queue, again[0], { outcome: 'dead', reason: 'refused' })
    expect(ids(await claimNow(queue))).toContain('a2')
    expect((await queue.dead.list({ limit: 9 })).items).toMatchObject([{ task: { id: 'a1', attempts: 2 } }])
    expect(await queue.dead.redrive('all')).toBe(1)
  })

  test('a push that is repeated with the same id makes no second task', async () => {
    const queue = await scene.open({ fifo: true })
    const once = task({ id: 'once' })
    await queue.push([once])
    await queue.push([once])
    expect((await queue.depth()).ready).toBe(1)
  })

  test('a delayed task holds up its key until it is due, and its first attempt is the first', async () => {
    const queue = await scene.open({ fifo: true })
    await queue.push([task({ id: 'late', delayMs: 1_000, ...A }), task({ id: 'next', ...A })])
    expect(await claimNow(queue)).toEqual([])
    const [claim] = await queue.claim({ max: 2, leaseMs: 60_000, waitMs: 10_000 })
    expect(claim?.task).toMatchObject({ id: 'late', attempts: 1 })
  })
})

describe('large payloads', () => {
  const large = JSON.stringify('x'.repeat(1_100_000))

  function blobsInMemory() {
    const kept = new Map<string, string>()
    const store: BlobStore = {
      put: async (key, text) => void kept.set(key, text),
      get: async (key) => kept.get(key),
      delete: async (key) => void kept.delete(key),
    }
    return { kept, store }
  }

  test('are refused at the door without a blob store', async () => {
    const queue = await LoadLevelingQueue.open(await scene.open())
    const refusal = queue.enqueue({ type: 'charge', payload: 'x'.repeat(1_100_000) })
    await expect(refusal).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    await queue.close()
  })

  test('go to the blob store and come back, also through the dead letters; after the end they are gone', async () => {
    const { kept, store } = blobsInMemory()
    const queue = await scene.open({ blobs: store })
    await queue.push([task({ id: 'large', payload: large }), task({ id: 'small' })])
    expect(kept.size).toBe(1)
    const claims = await claimNow(queue)
    for (const claim of claims) await settle(queue, claim, { outcome: 'dead', reason: 'refused' })
    await queue.dead.redrive(['large'])
    const again = await claimOne(queue)
    expect(again.task.payload).toBe(large)
    await settle(queue, again, { outcome: 'complete' })
    expect(kept.size).toBe(0)
  })

  test('a blob that is gone makes a dead letter; a store that is away loses nothing', async () => {
    const { kept, store } = blobsInMemory()
    const queue = await scene.open({ blobs: store })
    const away = await scene.open({ blobs: { ...store, put: () => Promise.reject(new Error('away')) } })
    await expect(away.push([task({ payload: large })])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    await queue.push([task({ id: 'large', payload: large })])
    kept.clear()
    expect(await claimNow(queue)).toEqual([])
    expect((await queue.dead.list({ limit: 9 })).items).toMatchObject([{ reason: 'unreadable', task: { id: 'large' } }])
  })
})

test('SQS is told whose task it is only where that is wished, because it bills it', async () => {
  const tasks = [task({ key: 'tenant-7' }), task({ key: 'tenant 8 ✓' }), task()]
  await (await scene.open()).push(tasks)
  await (await scene.open({ fair: true })).push(tasks)
  const sends = scene.proxy.asked.filter((asked) => actionOf(asked) === 'SendMessageBatch')
  const groups = sends.map(({ body }) =>
    JSON.parse(body).Entries.map((entry: { readonly MessageGroupId?: string }) => entry.MessageGroupId),
  )
  expect(groups).toEqual([
    [undefined, undefined, undefined],
    ['tenant-7', expect.stringMatching(/^[0-9a-f]{64}$/), undefined],
  ])
})

test.each([
  ['sqs://EU/x', 'INVALID_URL', 'names a region'],
  ['sqs://eu-central-1/a.b', 'INVALID_URL', 'prefix'],
  ['sqs://eu-central-1?endpont=x', 'INVALID_URL', 'no parameter "endpont"'],
  ['sqs://eu-central-1?endpoint=localhost', 'INVALID_URL', 'no endpoint'],
  ['sqs://eu-central-1?fifo=yes', 'INVALID_URL', 'true or false'],
  ['sqs://eu-central-1?lingerMs=x', 'INVALID_URL', 'lingerMs'],
])('%s is refused: %s', async (url, code, why) => {
  await expect(openSqs({ url })).rejects.toMatchObject({ code })
  await expect(openSqs({ url })).rejects.toThrow(why)
})

test('a URL opens the queue under its prefix; one that is not there and not to be made is UNKNOWN_QUEUE', async () => {
  const base = `sqs://eu-central-1/shop-?endpoint=${scene.server.endpoint}`
  await expect(openSqs({ url: `${base}&create=false`, queue: 'orders' })).rejects.toMatchObject({
    code: 'UNKNOWN_QUEUE',
  })
  await expect(openSqs({ url: base, queue: 'or.ders' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  const queue = await openSqs({ url: base, queue: 'orders' })
  expect(scene.server.queue('shop-orders')).toBeDefined()
  await queue.close()
  const again = await openSqs({ url: `${base}&create=false`, queue: 'orders' })
  await again.close()
})
