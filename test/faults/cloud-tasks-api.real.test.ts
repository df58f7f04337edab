/** The API of Cloud Tasks in trouble, and what comes of it. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom, systemRandom } from '../../packages/forebay/src/random.ts'
import { CloudTasksScene, until } from './clouds/cloud-tasks-scene.ts'
import { claimOne, settle, task } from './clouds/one-task.ts'
import { work } from './clouds/work.ts'

const EXHAUSTED = 8
const UNAVAILABLE = 14
const failure = { attempt: 1, at: 1_767_225_600_000, code: 'Error', message: 'no' }

let scene: CloudTasksScene

beforeEach(async () => {
  scene = await CloudTasksScene.set()
})

afterEach(() => scene.end())

/** The first requests of a method are refused. */
function firstRefused(method: string, times: number, code: number, more = {}): void {
  let left = times
  scene.server.fault = (asked) => (asked === method && left-- > 0 ? { code, ...more } : undefined)
}

describe('refusals', () => {
  test('RESOURCE_EXHAUSTED is asked again, slower, and the task is stored once', async () => {
    const queue = await scene.open()
    firstRefused('createTask', 2, EXHAUSTED)
    expect(await queue.push([task({ id: 'a' })])).toEqual([{ status: 'accepted', id: 'a' }])
    expect(scene.server.count('createTask')).toBe(3)
    expect((await claimOne(queue)).id).toBe('a')
  })

  test('the pause that Google asks for is kept before it is asked again', async () => {
    const queue = await scene.open()
    firstRefused('createTask', 1, EXHAUSTED, { retryS: 1 })
    const before = systemClock.monotonic()
    await queue.push([task()])
    expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(1_000)
    // A longer one is the caller's to make.
    firstRefused('createTask', 1, EXHAUSTED, { retryS: 30 })
    const pushing = queue.push([task()])
    await expect(pushing).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', retryAfterMs: 30_000 })
  })

  test.each([
    [EXHAUSTED, { code: 'BACKEND_UNAVAILABLE', retryAfterMs: 1_000 }],
    [UNAVAILABLE, { code: 'BACKEND_UNAVAILABLE' }],
    [4, { code: 'BACKEND_UNAVAILABLE' }],
    [13, { code: 'BACKEND_UNAVAILABLE' }],
    [7, { code: 'BACKEND_UNAVAILABLE' }],
    [5, { code: 'UNKNOWN_QUEUE' }],
    [9, { code: 'INTERNAL' }],
  ])('%i: every method that asks says so in our words, and all is as it was', async (code, expected) => {
    const queue = await scene.open({ random: { ...systemRandom, next: () => 0 } })
    await queue.push([task()])
    const claim = await claimOne(queue)
    scene.server.fault = () => ({ code })
    await expect(queue.push([task()])).rejects.toMatchObject(expected)
    await expect(queue.depth()).rejects.toMatchObject(expected)
    await expect(queue.dead.list({ limit: 1 })).rejects.toMatchObject(expected)
    await expect(queue.pause()).rejects.toMatchObject(expected)
    const retried = await queue.settle([{ claim, outcome: 'retry', delayMs: 0, failure }])
    expect(retried).toMatchObject([{ status: 'failed', error: expected }])
    scene.server.fault = () => undefined
    expect(await settle(queue, claim, { outcome: 'complete' })).toBe('settled')
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0 })
  })

  test('what Google finds too large is PAYLOAD_TOO_LARGE', async () => {
    const queue = await scene.open({ maxTaskBytes: 200_000 })
    const large = task({ payload: JSON.stringify('x'.repeat(150_000)) })
    await expect(queue.push([large])).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    expect((await queue.depth()).ready).toBe(0)
  })
})

describe('lost answers', () => {
  test('a push whose answer is lost is not repeated: it would be a second task', async () => {
    const queue = await scene.open()
    firstRefused('createTask', 1, UNAVAILABLE, { after: true })
    await expect(queue.push([task()])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    expect(scene.server.count('createTask')).toBe(1)
    // It was stored all the same, and comes.
    expect(await queue.claim({ max: 10, leaseMs: 60_000, waitMs: 10_000 })).toHaveLength(1)
  })

  test('a retry whose answer is lost is asked for again under its name, and is there once', async () => {
    const queue = await scene.open()
    await queue.push([task({ id: 'a' })])
    const claim = await claimOne(queue)
    firstRefused('createTask', 2, UNAVAILABLE, { after: true })
    expect(await settle(queue, claim, { outcome: 'retry', delayMs: 0, failure })).toBe('settled')
    const again = await claimOne(queue)
    expect(again.task).toMatchObject({ id: 'a', attempts: 2, failures: [failure] })
    await until(() => scene.at().tasks.size === 1)
  })

  test('a dead letter whose answer is lost is there once, and so is what is redriven', async () => {
    const queue = await scene.open()
    await queue.push([task({ id: 'a' })])
    const claim = await claimOne(queue)
    firstRefused('createTask', 1, UNAVAILABLE, { after: true })
    expect(await settle(queue, claim, { outcome: 'dead', reason: 'refused' })).toBe('settled')
    expect((await queue.dead.list({ limit: 10 })).items).toHaveLength(1)
    firstRefused('deleteTask', 1, 7)
    await expect(queue.dead.redrive('all')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    expect(await queue.dead.redrive('all')).toBe(1)
    expect((await claimOne(queue)).task.attempts).toBe(1)
    await until(() => scene.at().tasks.size === 1)
  })

  test('a first push that died between its mark and its task: the next one makes the task in its stead', async () => {
    const queue = await scene.open()
    const dedup = { id: 'o42', windowMs: 60_000 }
    let created = 0
    scene.server.fault = (method) => (method === 'createTask' && ++created === 2 ? { code: 7 } : undefined)
    await expect(queue.push([task({ id: 'first', dedup })])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
    scene.server.fault = () => undefined
    expect(await queue.push([task({ id: 'second', dedup })])).toEqual([{ status: 'duplicate', id: 'first' }])
    expect(await queue.push([task({ id: 'third', dedup })])).toEqual([{ status: 'duplicate', id: 'first' }])
    expect((await claimOne(queue)).id).toBe('first')
  })
})

test('a storm of errors and cut lines on both sides: what was accepted is handled', async () => {
  const random = seededRandom(11)
  const queue = await scene.open()
  let storms = 150
  const strikes = (share: number) => storms > 0 && random.next() < share && storms-- > 0
  scene.server.fault = () => {
    if (!strikes(0.1)) return undefined
    return { code: [EXHAUSTED, UNAVAILABLE, 13][Math.floor(random.next() * 3)] ?? 13, after: random.next() < 0.5 }
  }
  scene.front.fault = async (_, forward) => {
    if (!strikes(0.3)) return forward()
    const chance = random.next()
    if (chance < 0.3) return 'reset'
    if (chance < 0.6) return { status: 502 }
    await forward()
    return chance < 0.8 ? 'reset' : { status: 500 }
  }
  const payloads = Array.from({ length: 100 }, (_, n) => n)
  let ticks = 0
  const cutting = () => void (++ticks % 50 === 0 && ticks <= 200 && scene.line.cut())
  const { leveled, consumer, handled, errors, accepted } = await work(queue, payloads, cutting)
  expect(accepted.filter((payload) => !handled.has(payload))).toEqual([])
  // Ten share a push, which rejects as a whole where the end of one is not known.
  expect(accepted.length).toBeGreaterThan(payloads.length / 4)
  expect(errors.filter((code) => code !== 'BACKEND_UNAVAILABLE')).toEqual([])
  scene.server.fault = () => undefined
  scene.front.heal()
  await consumer.stop({ graceMs: 5_000 })
  await leveled.close()
})
