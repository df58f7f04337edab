import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { Bounds, NewTask } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import type { TaskInput } from '../task.ts'
import { admit } from './admission.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'

async function open(
  options: { maxDepth?: number; maxBytes?: number; maxPayloadBytes?: number; expectedPerSecond?: number } = {},
) {
  const clock = new VirtualClock()
  return { clock, queue: await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1), ...options }) }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error: ForebayError) => `${error.code} ${error.path ?? ''}`.trim(),
  )

describe('LoadLevelingQueue', () => {
  it('enqueues, and says what became of it', async () => {
    const { queue } = await open()
    const first = await queue.enqueue({ type: 'charge', payload: { order: 42 }, dedupId: 'o42' })
    expect(first.status).toBe('accepted')
    expect(await queue.enqueue({ type: 'charge', payload: { order: 42 }, dedupId: 'o42' })).toEqual({
      id: first.id,
      status: 'duplicate',
    })
    expect(await codeOf(queue.enqueue({ type: 'charge', payload: { order: 43 }, dedupId: 'o42' }))).toBe(
      'DEDUP_CONFLICT dedupId',
    )
    expect(await queue.depth()).toMatchObject({ ready: 1, delayed: 0, inFlight: 0, dead: 0 })
    expect(await queue.find(first.id)).toMatchObject({ state: 'ready', task: { payload: '{"order":42}' } })
  })

  it('tells the backend of which tasks it made the id itself', async () => {
    const { queue } = await open()
    const pushed: NewTask[] = []
    const push = queue.service.push.bind(queue.service)
    queue.service.push = (tasks, ...more) => {
      pushed.push(...tasks)
      return push(tasks, ...more)
    }
    await queue.enqueue({ type: 't', payload: 1 })
    await queue.enqueue({ type: 't', payload: 1, id: 'mine' })
    expect(pushed.map(({ isFresh }) => isFresh)).toEqual([true, undefined])
  })

  it('makes ids that are unique and sort by time', async () => {
    const { clock, queue } = await open()
    const ids: string[] = []
    for (let n = 0; n < 50; n++) {
      ids.push((await queue.enqueue({ type: 't', payload: n })).id)
      await clock.advance(1)
    }
    expect(new Set(ids).size).toBe(50)
    expect([...ids].sort()).toEqual(ids)
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it.each<[string, unknown, string]>([
    ['no object', null, 'INVALID_TASK'],
    ['no type', { payload: 1 }, 'INVALID_TASK type'],
    ['an empty type', { type: '', payload: 1 }, 'INVALID_TASK type'],
    ['a long type', { type: 'x'.repeat(129), payload: 1 }, 'INVALID_TASK type'],
    ['a field with a typo', { type: 't', payload: 1, priorty: 3 }, 'INVALID_TASK priorty'],
    ['half a priority', { type: 't', payload: 1, priority: 0.5 }, 'INVALID_TASK priority'],
    ['an order without a key', { type: 't', payload: 1, ordered: true }, 'INVALID_TASK key'],
    ['an order that is a text', { type: 't', payload: 1, key: 'k', ordered: 'yes' }, 'INVALID_TASK ordered'],
    ['a negative delay', { type: 't', payload: 1, delayMs: -1 }, 'INVALID_TASK delayMs'],
    ['an endless delay', { type: 't', payload: 1, delayMs: Number.POSITIVE_INFINITY }, 'INVALID_TASK delayMs'],
    ['a ttl of nothing', { type: 't', payload: 1, ttlMs: 0 }, 'INVALID_TASK ttlMs'],
    ['headers that are no texts', { type: 't', payload: 1, headers: { a: 1 } }, 'INVALID_TASK headers'],
    ['headers too large', { type: 't', payload: 1, headers: { a: 'x'.repeat(9_000) } }, 'INVALID_TASK headers'],
    ['no payload', { type: 't' }, 'INVALID_PAYLOAD payload'],
    ['a payload that is no JSON', { type: 't', payload: 1n }, 'INVALID_PAYLOAD payload'],
    ['a payload too large', { type: 't', payload: 'x'.repeat(262_145) }, 'PAYLOAD_TOO_LARGE payload'],
  ])('refuses %s, and stores nothing', async (_, input, expected) => {
    const { queue } = await open()
    const refused: unknown[] = []
    queue.on('refused', (event) => refused.push(event))
    expect(await codeOf(queue.enqueue(input as TaskInput))).toBe(expected)
    expect(refused).toHaveLength(1)
    expect((await queue.depth()).totals?.accepted).toBe(0)
  })

  it('takes many, each on its own merits, in order', async () => {
    const { queue } = await open({ maxDepth: 3 })
    const results = await queue.enqueueMany([
      { type: 'a', payload: 1 },
      { type: '', payload: 2 },
      { type: 'b', payload: 3 },
      { type: 'c', payload: 4 },
      { type: 'd', payload: 5 },
    ])
    expect(results.map((result) => (result.status === 'refused' ? result.error.code : result.status))).toEqual([
      'accepted',
      'INVALID_TASK',
      'accepted',
      'accepted',
      'QUEUE_FULL',
    ])
    const claims = await queue.service.claim({ max: 9, leaseMs: 1_000, waitMs: 0 })
    expect(claims.map(({ task }) => task.type)).toEqual(['a', 'b', 'c'])
  })

  it.each([
    ['zod', z.object({ order: z.object({ cents: z.number() }) })],
    ['valibot', v.object({ order: v.object({ cents: v.number() }) })],
    ['arktype', type({ order: { cents: 'number' } })],
  ])('types and checks payloads by any standard schema: %s', async (_, schema) => {
    const queue = await LoadLevelingQueue.open('memory:', { tasks: { charge: schema } })
    expect((await queue.enqueue({ type: 'charge', payload: { order: { cents: 5 } } })).status).toBe('accepted')
    // @ts-expect-error the payload's type is the schema's
    expect(await codeOf(queue.enqueue({ type: 'charge', payload: { order: { cents: '5' } } }))).toBe(
      'INVALID_PAYLOAD payload.order.cents',
    )
    // @ts-expect-error the queue has no such task type
    expect(await codeOf(queue.enqueue({ type: 'constructor', payload: {} }))).toBe('UNKNOWN_TASK_TYPE type')
  })

  it('keeps the order of enqueueMany with a validator that takes its time', async () => {
    const turns = [3, 1, 2]
    const slow = z.number().refine(async (n) => {
      for (let turn = 0; turn < (turns[n] as number) * 5; turn++) await Promise.resolve()
      return true
    })
    const queue = await LoadLevelingQueue.open('memory:', { tasks: { n: slow } })
    await queue.enqueueMany([0, 1, 2].map((payload) => ({ type: 'n' as const, payload })))
    const claims = await queue.service.claim({ max: 9, leaseMs: 1_000, waitMs: 0 })
    expect(claims.map(({ task }) => task.payload)).toEqual(['0', '1', '2'])
  })

  it('groups concurrent enqueues into few pushes', async () => {
    const { queue } = await open()
    const sizes: number[] = []
    const push = queue.service.push.bind(queue.service)
    queue.service.push = (tasks: readonly NewTask[], bounds?: Bounds) => {
      sizes.push(tasks.length)
      return push(tasks, bounds)
    }
    await Promise.all(Array.from({ length: 2_500 }, (_, n) => queue.enqueue({ type: 't', payload: n })))
    expect(sizes).toEqual([1_000, 1_000, 500])
  })

  it.each([
    ['a good guess', 10],
    ['a bad guess that is soon corrected by measuring', 40],
  ])(
    'a full queue tells each refused task a time of its own, no faster than it drains: %s',
    async (_, expectedPerSecond) => {
      const { clock, queue } = await open({ maxDepth: 100, expectedPerSecond })
      await queue.enqueueMany(Array.from({ length: 100 }, (_, n) => ({ type: 't', payload: n })))
      const drainOne = async () => {
        const [claim] = await queue.service.claim({ max: 1, leaseMs: 1_000, waitMs: 0 })
        if (claim) await queue.service.settle([{ claim, outcome: 'complete' }])
      }
      const toldAt: number[] = []
      const enqueue = async (n: number) => {
        const [result] = await queue.enqueueMany([{ type: 'more', payload: n }])
        if (result?.status === 'refused') toldAt.push(clock.monotonic() + (result.error.retryAfterMs as number))
      }
      // 10 a second leave, 40 a second come.
      for (let n = 0; n < 400; n++) {
        await clock.advance(25)
        if (n % 4 === 0) await drainOne()
        await enqueue(n)
      }
      expect(toldAt.length).toBeGreaterThan(250)
      const afterMeasuring = toldAt.filter((at) => at > 8_000).sort((a, b) => a - b)
      const perSecond =
        (1_000 * (afterMeasuring.length - 1)) / ((afterMeasuring.at(-1) as number) - (afterMeasuring[0] as number))
      expect(perSecond).toBeGreaterThan(7)
      expect(perSecond).toBeLessThan(11)
    },
  )

  it('refuses by bytes as well', async () => {
    const { queue } = await open({ maxBytes: 10 })
    await queue.enqueue({ type: 't', payload: '12345678' })
    await expect(queue.enqueue({ type: 't', payload: 1 })).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      retryAfterMs: 1_000,
    })
  })

  it('tells that nobody knows when the backend did not answer', async () => {
    const { queue } = await open()
    queue.service.push = () => Promise.reject(new Error('socket hang up'))
    await expect(queue.enqueue({ type: 't', payload: 1 })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: 'socket hang up',
    })
  })

  it('keeps the order of a key, and refuses to promise it where the backend has none', async () => {
    const { queue } = await open()
    const task = { type: 't', payload: 1, key: 'k', ordered: true }
    await queue.enqueueMany([task, task])
    expect(await queue.depth()).toMatchObject({ ready: 1, delayed: 1 })
    const { service } = queue
    const capabilities = { ...service.capabilities, keyOrder: false }
    const rules = {
      backend: service.backend,
      capabilities,
      maxPayloadBytes: 100,
      dedupWindowMs: 0,
      weightOf: () => undefined,
      now: () => 0,
    }
    expect(() => admit(task, () => 'id', rules)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', path: 'ordered' }),
    )
  })

  it('closes twice, waits for what is under way, and refuses afterwards', async () => {
    const { queue } = await open()
    const last = queue.enqueue({ type: 't', payload: 1 })
    await Promise.all([queue.close(), queue.close()])
    expect((await last).status).toBe('accepted')
    expect(await codeOf(queue.enqueue({ type: 't', payload: 1 }))).toBe('QUEUE_CLOSED')
  })

  it('refuses options that make no sense, and a URL that names no backend', async () => {
    expect(await codeOf(LoadLevelingQueue.open('memory:', { name: 'a b' }))).toBe('INVALID_OPTION name')
    expect(await codeOf(LoadLevelingQueue.open('memory:', { maxDepth: 0 }))).toBe('INVALID_OPTION maxDepth')
    expect(await codeOf(LoadLevelingQueue.open('memory:', { maxBytes: 1.5 }))).toBe('INVALID_OPTION maxBytes')
    expect(await codeOf(LoadLevelingQueue.open('memory:', { expectedPerSecond: 0 }))).toBe(
      'INVALID_OPTION expectedPerSecond',
    )
    expect(await codeOf(LoadLevelingQueue.open('orders.db'))).toBe('INVALID_URL')
    expect(await codeOf(LoadLevelingQueue.open('mysql://x'))).toBe('INVALID_URL')
  })
})
