/** What SQS bills is requests: these are counted, and the README states them. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { burst } from './clouds/count-requests.ts'
import { actionOf, SqsScene } from './clouds/sqs-scene.ts'

const TASKS = 1_000

let scene: SqsScene

beforeEach(async () => {
  scene = await SqsScene.set()
})

afterEach(() => scene.end())

test('a burst of a thousand tasks costs about three requests for ten of them', async () => {
  const queue = await scene.open({ lingerMs: 20 })
  const before = scene.proxy.asked.length
  await burst(queue, TASKS, 50)
  const asked = scene.proxy.asked.slice(before)
  const count = (action: string) => asked.filter((one) => actionOf(one) === action).length
  const counts = ['SendMessageBatch', 'ReceiveMessage', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch'].map(count)
  console.error(`SQS: ${asked.length} requests for ${TASKS} tasks: send, receive, delete, extend ${counts.join(', ')}`)
  expect(count('SendMessageBatch')).toBe(TASKS / 10)
  expect(asked.length / TASKS).toBeGreaterThanOrEqual(0.3)
  expect(asked.length / TASKS).toBeLessThan(0.4)
})

test('an idle consumer costs a request every twenty seconds, not more', async () => {
  const queue = await scene.open()
  const parked = queue.claim({ max: 10, leaseMs: 60_000, waitMs: 30_000 })
  await queue.depth()
  const polls = scene.proxy.asked.filter((one) => actionOf(one) === 'ReceiveMessage')
  expect(polls.map(({ body }) => JSON.parse(body).WaitTimeSeconds)).toEqual([20])
  await queue.close()
  expect(await parked).toEqual([])
})
