/** What SQS delivers late, twice, out of order or not at all, and what comes of it with consumers that work. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { claimNow, claimOne, settle, task } from './clouds/one-task.ts'
import { actionOf, answered, refused, SqsScene } from './clouds/sqs-scene.ts'
import { work } from './clouds/work.ts'

const HOUR_MS = 3_600_000

let scene: SqsScene

beforeEach(async () => {
  scene = await SqsScene.set()
})

afterEach(() => scene.end())

const PAYLOADS = Array.from({ length: 200 }, (_, n) => n)

test('a storm of 5xx, throttling and cut lines, before and after the deed: what was accepted is handled, and the queue is empty in the end', async () => {
  const random = seededRandom(11)
  const queue = await scene.open({}, 3)
  let storms = 150
  scene.proxy.fault = async (_, forward) => {
    const chance = random.next()
    if (storms <= 0 || chance > 0.4) return forward()
    storms--
    if (chance < 0.1) return 'reset'
    if (chance < 0.2) return refused('InternalFailure', 500)
    if (chance < 0.3) return refused('RequestThrottled')
    await forward()
    return chance < 0.35 ? 'reset' : refused('ServiceUnavailable', 503)
  }
  const { leveled, consumer, handled, errors, accepted } = await work(queue, PAYLOADS, () => scene.server.lookAtClock())
  scene.proxy.heal()
  expect(accepted.filter((payload) => !handled.has(payload))).toEqual([])
  expect(accepted.length).toBeGreaterThan(PAYLOADS.length / 2)
  expect(new Set(errors)).toEqual(errors.length > 0 ? new Set(['BACKEND_UNAVAILABLE']) : new Set())
  await consumer.stop({ graceMs: 5_000 })
  // What was given out into a cut line is with nobody until its lease is over.
  scene.makeDue()
  for (const claim of await claimNow(queue)) await settle(queue, claim, { outcome: 'complete' })
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 0 })
  await leveled.close()
})

test('delivered twice and out of order: each is handled at least once, no settlement goes wrong', async () => {
  const random = seededRandom(3)
  const queue = await scene.open()
  const given: { MessageId: string; ReceiptHandle: string }[] = []
  let twice = 0
  scene.proxy.fault = async (asked, forward) => {
    const answer = await forward()
    if (actionOf(asked) !== 'ReceiveMessage') return answer
    const { Messages = [] } = JSON.parse(answer.body ?? '{}') as { Messages?: typeof given }
    const again = given.length > 0 && random.next() < 0.5 ? given.splice(0, 1) : []
    twice += again.length
    given.push(...Messages.filter(() => random.next() < 0.3))
    const renewed = again.map((message) => ({ ...message, ReceiptHandle: `again-${message.ReceiptHandle}` }))
    return answered({ Messages: [...Messages, ...renewed].toSorted(() => random.next() - 0.5) })
  }
  const { leveled, consumer, handled, accepted } = await work(queue, PAYLOADS, () => scene.server.lookAtClock())
  await consumer.stop({ graceMs: 5_000 })
  expect(accepted).toHaveLength(PAYLOADS.length)
  expect([...handled.keys()].toSorted((a, b) => a - b)).toEqual(PAYLOADS)
  expect(twice).toBeGreaterThan(5)
  expect([...handled.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(PAYLOADS.length)
  expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 0 })
  await leveled.close()
})

test('a delay of an hour: a quarter of it at a time, delayed all the while, and the first attempt is the first', async () => {
  const queue = await scene.open()
  await queue.push([task({ id: 'late', delayMs: HOUR_MS, ttlMs: 2 * HOUR_MS })])
  const left = () =>
    scene.server.queue(scene.name).delayedMessages.map(({ body }) => JSON.parse(body.split('\n')[0] ?? '').leftMs)
  for (const leftMs of [2_700_000, 1_800_000, 900_000]) {
    expect(left()).toEqual([leftMs])
    scene.makeDue()
    expect(await claimNow(queue)).toEqual([])
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 1, inFlight: 0 })
  }
  scene.makeDue()
  const { task: granted } = await claimOne(queue)
  expect(granted).toMatchObject({ id: 'late', attempts: 1, ttlMs: 2 * HOUR_MS })
})

test('twelve hours are the longest hold: an extension beyond it is stale, a retry beyond it goes on as a copy that counts', async () => {
  const clock = new VirtualClock()
  const queue = await scene.open({ clock })
  await queue.push([task({ id: 'a' }), task({ id: 'b' })])
  const claims = await claimNow(queue, 10, 12 * HOUR_MS)
  await expect(claimNow(queue, 1, 12 * HOUR_MS + 1)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  await clock.advance(11 * HOUR_MS)
  const [a, b] = claims
  if (!a || !b) throw new Error('two were to be granted')
  expect(await queue.extend([a], 2 * HOUR_MS)).toEqual([{ status: 'stale' }])
  const failure = { attempt: 1, at: 0, code: 'Error', message: 'no' }
  expect(await settle(queue, b, { outcome: 'retry', delayMs: 2 * HOUR_MS, failure })).toBe('settled')
  expect(scene.server.queue(scene.name).delayedMessages).toHaveLength(1)
  for (let hop = 0; hop < 8; hop++) {
    scene.server.queue(scene.name).inflightMessages.clear()
    scene.makeDue()
    const [claim] = await claimNow(queue, 10, 60_000)
    if (hop < 7) expect(claim).toBeUndefined()
    else expect(claim?.task).toMatchObject({ id: b.id, attempts: 2 })
  }
})

test('what an aborted claim’s poll brings is for the next claim; what nobody wants is given back, and is no attempt', async () => {
  const queue = await scene.open()
  for (const next of ['a claim', 'nobody']) {
    const controller = new AbortController()
    const parked = queue.claim({ max: 1, leaseMs: 60_000, waitMs: 20_000, signal: controller.signal })
    await queue.depth()
    controller.abort()
    expect(await parked).toEqual([])
    await queue.push([task({ id: next })])
    if (next === 'nobody') {
      // Its copy, which takes the attempt back.
      while (scene.count('SendMessageBatch') < 3) await queue.depth()
      while ((await queue.depth()).ready === 0) await queue.depth()
    }
    const [claim] = await queue.claim({ max: 1, leaseMs: 60_000, waitMs: 10_000 })
    expect(claim?.task).toMatchObject({ id: next, attempts: 1 })
    if (claim) await settle(queue, claim, { outcome: 'complete' })
  }
})

test('what is none of ours goes to the dead letters, whole', async () => {
  const queue = await scene.open()
  const client = scene.server
  const { SendMessageCommand } = await import('@aws-sdk/client-sqs')
  const { clientOf } = await import('../servers/sqs.ts')
  const QueueUrl = `${client.endpoint}/000000000000/${scene.name}`
  await clientOf(client.endpoint).send(new SendMessageCommand({ QueueUrl, MessageBody: '{"plain":true}' }))
  expect(await claimNow(queue)).toEqual([])
  const { items } = await queue.dead.list({ limit: 10 })
  expect(items).toMatchObject([{ reason: 'unreadable', task: { payload: '"{\\"plain\\":true}"' } }])
})
