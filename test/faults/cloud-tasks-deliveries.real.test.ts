/** Deliveries of Cloud Tasks that come twice, late, in disorder, or to a process that dies. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { sleep, systemClock, VirtualClock } from '../../packages/forebay/src/clock.ts'
import type { CloudTasksQueueService } from '../../packages/forebay/src/backends/cloud-tasks/cloud-tasks-queue-service.ts'
import { openReceiver } from '../../packages/forebay/src/backends/cloud-tasks/receiver.ts'
import { askAt } from '../servers/http-fault-proxy.ts'
import { CloudTasksScene, until } from './clouds/cloud-tasks-scene.ts'
import { claimNow, claimOne, ids, settle, task } from './clouds/one-task.ts'
import { work } from './clouds/work.ts'

const failure = { attempt: 1, at: 1_767_225_600_000, code: 'Error', message: 'no' }

let scene: CloudTasksScene

beforeEach(async () => {
  scene = await CloudTasksScene.set()
})

afterEach(() => scene.end())

async function claimWaiting(queue: CloudTasksQueueService, leaseMs = 60_000) {
  const [claim] = await queue.claim({ max: 1, leaseMs, waitMs: 20_000 })
  if (!claim) throw new Error('Nothing came.')
  return claim
}

test('what is delivered twice at once is granted once, and both deliveries are answered', async () => {
  scene.server.queues.copies = 2
  const queue = await scene.open()
  await queue.push([task({ id: 'a' }), task({ id: 'b' })])
  await until(() => scene.front.asked.length === 4)
  const claims = await claimNow(queue)
  expect(ids(claims)).toEqual(['a', 'b'])
  expect(await claimNow(queue)).toEqual([])
  for (const claim of claims) expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
  await until(() => scene.at().tasks.size === 0 && scene.at().underWay === 0)
})

test('all that is delivered twice and in disorder is handled once while the process lives', async () => {
  Object.assign(scene.server.queues, { copies: 2, lastFirst: true })
  const queue = await scene.open({ level: { perSecond: 500, concurrency: 10 } })
  const payloads = Array.from({ length: 60 }, (_, n) => n)
  const { leveled, consumer, handled, errors } = await work(queue, payloads)
  expect([...handled.values()]).toEqual(payloads.map(() => 1))
  expect(errors).toEqual([])
  expect(scene.at().mostUnderWay).toBeLessThanOrEqual(10)
  await consumer.stop({ graceMs: 5_000 })
  await leveled.close()
})

test('an answer that is lost is given again when the task is delivered again, and it does not run twice', async () => {
  const queue = await scene.open()
  let left = 1
  scene.front.fault = async (_, forward) => {
    const answer = await forward()
    return left-- > 0 ? 'reset' : answer
  }
  await queue.push([task()])
  expect(await settle(queue, await claimOne(queue), { outcome: 'complete' })).toBe('settled')
  await until(() => scene.at().tasks.size === 0)
  expect(scene.front.asked).toHaveLength(2)
  expect(await claimNow(queue)).toEqual([])
})

test('a deadline that passes while the task is held: its claim is stale, and it comes again', async () => {
  // 1,800 s are 0.9 s for the stand-in, which gives up first.
  scene.server.queues.deadlineScale = 1 / 2_000
  const queue = await scene.open({ target: scene.direct })
  await queue.push([task({ id: 'a' }), task({ id: 'b' })])
  const [a, b] = await claimNow(queue)
  if (!a || !b) throw new Error('two were to be granted')
  await until(() => scene.at().underWay === 0)
  await sleep(systemClock, 100)
  scene.server.queues.deadlineScale = 1
  expect(await settle(queue, a, { outcome: 'complete' })).toBe('stale')
  expect(await queue.extend([b], 60_000)).toEqual([{ status: 'stale' }])
  const again = [await claimWaiting(queue), await claimWaiting(queue)]
  expect(ids(again)).toEqual(['a', 'b'])
  for (const claim of again) {
    expect(claim.task.attempts).toBe(2)
    expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
  }
  await until(() => scene.at().tasks.size === 0)
})

test('a receiver that dies with what it holds: all comes again, and the death counts as one attempt', async () => {
  const queue = await scene.open()
  await queue.push([task({ id: 'a' }), task({ id: 'b' })])
  const [held] = await claimNow(queue, 1)
  await until(() => scene.front.asked.length === 2)
  await scene.crash()
  const after = await scene.open()
  const claims = [await claimWaiting(after), await claimWaiting(after)]
  expect(ids(claims)).toEqual(['a', 'b'])
  expect(claims.map((claim) => claim.task.attempts)).toEqual([2, 2])
  if (held) expect(await settle(queue, held, { outcome: 'complete' })).toBe('stale')
  for (const claim of claims) expect(await settle(after, claim, { outcome: 'complete' })).toBe('settled')
  await until(() => scene.at().tasks.size === 0)
})

test('a receiver that is away for many deliveries costs its tasks one attempt, not as many', async () => {
  const queue = await scene.open()
  let refused = 3
  scene.front.fault = async (_, forward) => (refused-- > 0 ? { status: 502 } : forward())
  await queue.push([task()])
  const claim = await claimWaiting(queue)
  expect(scene.front.asked.length).toBeGreaterThanOrEqual(4)
  expect(claim.task.attempts).toBe(2)
  expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
}, 40_000)

test('a process that dies after it stored a retry and before it answered: the retry is there once, and nothing else', async () => {
  const queue = await scene.open()
  let cutting = true
  scene.front.fault = async (_, forward) => {
    const answer = await forward()
    return cutting ? 'reset' : answer
  }
  await queue.push([task({ id: 'a' })])
  const claim = await claimOne(queue)
  expect(await settle(queue, claim, { outcome: 'retry', delayMs: 60_000, failure })).toBe('settled')
  cutting = false
  await scene.crash()
  const after = await scene.open()
  // The old one is delivered again, and seen to be over.
  await until(() => scene.at().tasks.size === 1)
  expect(await claimNow(after)).toEqual([])
  expect(await after.depth()).toMatchObject({ ready: 0, delayed: 1, inFlight: 0 })
})

test('a queue that is closed gives back what it held: granted or not, with the attempts that it had', async () => {
  const first = await scene.open()
  await first.push([task({ id: 'a' }), task({ id: 'b' })])
  await until(() => scene.front.asked.length === 2)
  const [granted] = await claimNow(first, 1)
  await first.close()
  const second = await scene.open()
  const claims = [await claimWaiting(second), await claimWaiting(second)]
  const attempts = Object.fromEntries(claims.map(({ id, task: { attempts: count } }) => [id, count]))
  expect(attempts).toEqual({ a: granted?.id === 'a' ? 2 : 1, b: granted?.id === 'b' ? 2 : 1 })
})

test('more than may be held is sent back, and comes when there is room', async () => {
  const queue = await scene.open({ maxHeld: 2 })
  await queue.push(Array.from({ length: 5 }, () => task()))
  await until(() => scene.at().underWay === 2)
  for (let left = 5; left > 0; left--) {
    expect(await settle(queue, await claimWaiting(queue), { outcome: 'complete' })).toBe('settled')
  }
  await until(() => scene.at().tasks.size === 0)
}, 40_000)

test('two processes behind one address: each has what was delivered to it, and all is handled', async () => {
  const queue = await scene.open()
  const receiver = await openReceiver({ listen: { host: '127.0.0.1', port: 0 }, keys: scene.server.mint.keys })
  const second = await scene.open({ receiver })
  let turn = 0
  scene.front.fault = (asked, forward) => (turn++ % 2 === 0 ? forward() : askAt(receiver.port ?? 0, asked))
  await queue.push(Array.from({ length: 10 }, () => task()))
  await until(() => scene.at().underWay === 10)
  const parts = [
    [queue, await queue.claim({ max: 10, leaseMs: 60_000, waitMs: 0 })],
    [second, await claimNow(second)],
  ] as const
  expect(parts.map(([, claims]) => claims.length)).toEqual([5, 5])
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 10 })
  for (const [service, claims] of parts) {
    for (const claim of claims) expect(await settle(service, claim, { outcome: 'complete' })).toBe('settled')
  }
  await until(() => scene.at().tasks.size === 0)
  await second.close()
  await receiver.close()
})

test('a lease longer than half of the deadline is refused, and one that would go beyond the deadline is stale', async () => {
  const queue = await scene.open({ deadlineMs: 15_000 })
  await queue.push([task()])
  await expect(claimNow(queue, 1, 8_000)).rejects.toThrow('half of the dispatch deadline')
  const claim = await claimOne(queue, 7_500)
  await expect(queue.extend([claim], 8_000)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(await queue.extend([claim], 7_500)).toMatchObject([{ status: 'extended' }])
  await sleep(systemClock, 6_500)
  expect(await queue.extend([claim], 7_500)).toEqual([{ status: 'stale' }])
  // The lease that it has goes on.
  expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
})

test('what nobody claims for half of the deadline is delivered anew, and that is no attempt', async () => {
  await scene.end()
  const clock = new VirtualClock(systemClock.now())
  scene = await CloudTasksScene.set(clock)
  const queue = await scene.open()
  await queue.push([task({ id: 'a' })])
  await until(() => scene.front.asked.length === 1)
  await until(async () => (await queue.depth()).ready === 1)
  for (let round = 2; round <= 3; round++) {
    await clock.advance(15 * 60_000)
    await until(() => scene.front.asked.length === round)
    await until(async () => (await queue.depth()).ready === 1)
  }
  await until(() => scene.at().tasks.size === 1)
  const claim = await claimOne(queue)
  expect(claim.task).toMatchObject({ id: 'a', attempts: 1 })
  expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
})
