/** SQS refuses, in whole or in part: what is tried again, what the caller is told, and that nothing is lost. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { claimNow, claimOne, ids, settle, task } from './clouds/one-task.ts'
import { actionOf, answered, failingEntries, refused, SqsScene } from './clouds/sqs-scene.ts'

let scene: SqsScene

beforeEach(async () => {
  scene = await SqsScene.set()
})

afterEach(() => scene.end())

/** The first `count` requests of an action are refused. */
function firstRefused(action: string, count: number, code: string, status = 400): void {
  let left = count
  scene.proxy.fault = async (asked, forward) =>
    actionOf(asked) === action && left-- > 0 ? refused(code, status) : forward()
}

test('a throttled push is tried again by the SDK, slower each time, and is stored once', async () => {
  const queue = await scene.open({}, 4)
  firstRefused('SendMessageBatch', 2, 'RequestThrottled')
  expect(await queue.push([task({ id: 'a' })])).toEqual([{ status: 'accepted', id: 'a' }])
  expect(scene.count('SendMessageBatch')).toBe(3)
  expect((await queue.depth()).ready).toBe(1)
})

test.each([
  ['RequestThrottled', 400, { code: 'BACKEND_UNAVAILABLE', retryAfterMs: 1_000 }],
  ['ServiceUnavailable', 503, { code: 'BACKEND_UNAVAILABLE' }],
  ['InternalFailure', 500, { code: 'BACKEND_UNAVAILABLE' }],
  ['AccessDenied', 403, { code: 'BACKEND_UNAVAILABLE' }],
  ['ExpiredToken', 403, { code: 'BACKEND_UNAVAILABLE' }],
  ['QueueDoesNotExist', 400, { code: 'UNKNOWN_QUEUE' }],
  ['BatchRequestTooLong', 400, { code: 'PAYLOAD_TOO_LARGE' }],
  ['InvalidParameterValue', 400, { code: 'INTERNAL' }],
])('%s: every method says so in our words', async (code, status, expected) => {
  const queue = await scene.open()
  await queue.push([task()])
  const claim = await claimOne(queue)
  scene.proxy.fault = async () => refused(code, status)
  await expect(queue.push([task()])).rejects.toMatchObject(expected)
  await expect(claimNow(queue, 1)).rejects.toMatchObject(expected)
  await expect(queue.claim({ max: 1, leaseMs: 60_000, waitMs: 5_000 })).rejects.toMatchObject(expected)
  await expect(queue.depth()).rejects.toMatchObject(expected)
  await expect(queue.dead.list({ limit: 1 })).rejects.toMatchObject(expected)
  await expect(queue.extend([claim], 60_000)).rejects.toMatchObject(expected)
  expect(await queue.settle([{ claim, outcome: 'complete' }])).toMatchObject([{ status: 'failed', error: expected }])
  scene.proxy.heal()
  // What failed is as it was: the lease goes on, and nothing else was stored.
  expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 0 })
})

test('a connection that is cut is BACKEND_UNAVAILABLE, and says that nobody knows', async () => {
  const queue = await scene.open()
  scene.proxy.fault = async (_, forward) => {
    await forward()
    return 'reset'
  }
  await expect(queue.push([task()])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  await expect(queue.push([task()])).rejects.toThrow('whether it was done is not known')
})

test('entries that fail beside others are sent again, and only they: all are stored once', async () => {
  const queue = await scene.open()
  scene.proxy.fault = failingEntries('SendMessageBatch', (index) => index < 20 && index % 3 === 0, {
    SenderFault: false,
    Code: 'InternalError',
  })
  const tasks = Array.from({ length: 20 }, () => task())
  const results = await queue.push(tasks)
  expect(results.map(({ status }) => status)).toEqual(tasks.map(() => 'accepted'))
  scene.proxy.heal()
  expect(ids(await claimNow(queue))).toEqual(ids(tasks))
})

test('an entry that is refused for good fails its push; the others of the request are stored', async () => {
  const queue = await scene.open()
  scene.proxy.fault = failingEntries('SendMessageBatch', (index) => index === 1, {
    SenderFault: true,
    Code: 'InvalidParameterValue',
    Message: 'no',
  })
  const pushes = await Promise.allSettled([1, 2, 3].map(() => queue.push([task()])))
  expect(pushes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(pushes[1]).toMatchObject({ reason: { code: 'INTERNAL' } })
  expect(scene.count('SendMessageBatch')).toBe(1)
  expect((await queue.depth()).ready).toBe(2)
})

test('entries that are answered neither way were not taken', async () => {
  const queue = await scene.open()
  let first = true
  scene.proxy.fault = async (asked, forward) => {
    if (actionOf(asked) !== 'SendMessageBatch' || !first) return forward()
    first = false
    return answered({})
  }
  await queue.push([task(), task()])
  expect((await queue.depth()).ready).toBe(2)
})

test('a deletion that fails in part is tried again; each settlement gets its own answer', async () => {
  const queue = await scene.open()
  await queue.push([task(), task(), task()])
  const claims = await claimNow(queue)
  const throttled = { SenderFault: false, Code: 'RequestThrottled' }
  scene.proxy.fault = failingEntries('DeleteMessageBatch', (index) => index === 0, throttled)
  const results = await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  expect(results).toEqual(claims.map(() => ({ status: 'settled' })))
  expect(scene.count('DeleteMessageBatch')).toBe(2)
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0 })
})

test('a receipt that has run out is stale, and only its entry', async () => {
  const queue = await scene.open()
  await queue.push([task(), task(), task()])
  const claims = await claimNow(queue)
  const lapsed = { SenderFault: true, Code: 'MessageNotInflight', Message: 'it is not in flight' }
  scene.proxy.fault = failingEntries('ChangeMessageVisibilityBatch', (index) => index === 1, lapsed)
  const extended = await queue.extend(claims, 60_000)
  expect(extended.map(({ status }) => status)).toEqual(['extended', 'stale', 'extended'])
  // Its lease is over here too.
  const settled = await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  expect(settled.map(({ status }) => status)).toEqual(['settled', 'stale', 'settled'])
})

test('too much in flight at SQS: a waiting claim waits on and is granted when there is room; one that does not wait gets nothing', async () => {
  const queue = await scene.open()
  await queue.push([task({ id: 'a' })])
  firstRefused('ReceiveMessage', 2, 'OverLimit', 403)
  expect(await claimNow(queue, 1)).toEqual([])
  const claims = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000 })
  expect(ids(claims)).toEqual(['a'])
  expect(scene.count('ReceiveMessage')).toBe(3)
})

test('a copy that is stored while its message can’t be deleted is not stored again', async () => {
  const queue = await scene.open()
  await queue.push([task({ id: 'a' })])
  const claim = await claimOne(queue)
  firstRefused('DeleteMessageBatch', 1, 'ServiceUnavailable', 503)
  expect(await settle(queue, claim, { outcome: 'dead', reason: 'refused' })).toBe('failed')
  expect(await settle(queue, claim, { outcome: 'dead', reason: 'refused' })).toBe('settled')
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 1 })
})
