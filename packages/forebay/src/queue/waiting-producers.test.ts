import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import type { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import type { TaskInput } from '../task.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'
import { WAITING_BOUNDS } from './waiting-producers.ts'

let names = 0

interface Wishes {
  readonly maxDepth?: number
  readonly maxBytes?: number
  readonly deadlineMs?: number
}

/** A queue whose producers wait, and another process's door to the same tasks. */
async function scene({ deadlineMs = 10_000, ...bounds }: Wishes = {}) {
  const clock = new VirtualClock()
  const shared = { name: `waiting-${names++}`, clock }
  const elsewhere = openMemory(shared)
  const service = openMemory(shared)
  const calls = { depth: 0 }
  const depth = service.depth.bind(service)
  service.depth = () => {
    calls.depth++
    return depth()
  }
  const queue = await LoadLevelingQueue.open(service, {
    clock,
    random: seededRandom(1),
    expectedPerSecond: 10,
    ...(bounds.maxBytes === undefined ? { maxDepth: 2 } : {}),
    ...bounds,
    overflow: { policy: 'wait', deadlineMs },
  })
  /** What became of each enqueue, in the order in which it was known. */
  const told: string[] = []
  const enqueue = (input: Partial<TaskInput> & { payload: unknown }) => {
    const { payload } = input
    const name = String(payload).slice(0, 8)
    return queue.enqueue({ type: 't', ...input }).then(
      ({ status }) => told.push(`${name} ${status}`),
      (error: ForebayError) => told.push(`${name} ${error.code}`),
    )
  }
  return { clock, queue, elsewhere, enqueue, told, calls }
}

async function drain(service: QueueService, count: number): Promise<void> {
  const claims = await service.claim({ max: count, leaseMs: 60_000, waitMs: 0 })
  await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
}

describe('overflow: wait', () => {
  it('lets producers wait and lets them in, first come, first served, as this process settles', async () => {
    const { clock, queue, enqueue, told } = await scene()
    for (let n = 0; n < 6; n++) void enqueue({ payload: n })
    await clock.advance(0)
    expect(told).toEqual(['0 accepted', '1 accepted'])
    await drain(queue.service, 1)
    await clock.advance(0)
    expect(told.slice(2)).toEqual(['2 accepted'])
    await drain(queue.service, 2)
    await clock.advance(0)
    expect(told.slice(3)).toEqual(['3 accepted', '4 accepted'])
    expect((await queue.depth()).ready).toBe(2)
    const { accepted, waited, refused } = queue.counts
    expect({ accepted, waited, refused }).toEqual({ accepted: 5, waited: 3, refused: {} })
    await queue.close()
    expect(told.at(-1)).toBe('5 QUEUE_CLOSED')
  })

  it('sees within a second what other processes settle, and asks no more than twenty times in one', async () => {
    const { clock, elsewhere, enqueue, told, calls } = await scene()
    for (let n = 0; n < 3; n++) void enqueue({ payload: n })
    await clock.advance(5_000)
    expect(calls.depth).toBeLessThanOrEqual(100)
    await drain(elsewhere, 1)
    await clock.advance(1_000)
    expect(told).toEqual(['0 accepted', '1 accepted', '2 accepted'])
    const asked = calls.depth
    await clock.advance(60_000)
    expect(calls.depth).toBe(asked)
  })

  it('gives up at the deadline with QUEUE_FULL, a time to come again, and how long it waited', async () => {
    const { clock, queue, enqueue, told } = await scene({ deadlineMs: 3_000 })
    const waits: number[] = []
    queue.on('waited', ({ waitedMs }) => waits.push(waitedMs))
    await Promise.all([enqueue({ payload: 0 }), enqueue({ payload: 1 })])
    const last = queue.enqueue({ type: 't', payload: 2 })
    const refused = expect(last).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: expect.any(Number) })
    await clock.advance(2_999)
    expect(told).toHaveLength(2)
    await clock.advance(1)
    await refused
    expect(waits).toEqual([3_000])
    expect(queue.counts).toMatchObject({ waited: 1, refused: { QUEUE_FULL: 1 } })
  })

  it('does not let a newcomer pass those that wait, although there is room by then', async () => {
    const { clock, elsewhere, enqueue, told } = await scene({ maxDepth: 1 })
    await enqueue({ payload: 'a' })
    void enqueue({ payload: 'b' })
    await clock.advance(0)
    // Nobody in this process knows of the room that this makes.
    await drain(elsewhere, 1)
    void enqueue({ payload: 'c' })
    await clock.advance(1_000)
    await drain(elsewhere, 1)
    await clock.advance(1_000)
    expect(told).toEqual(['a accepted', 'b accepted', 'c accepted'])
  })

  it('lets who was refused and comes when it was told in before those that wait', async () => {
    const { clock, elsewhere, queue, enqueue, told } = await scene({ maxDepth: 2, deadlineMs: 1_000 })
    for (const payload of ['a', 'b', 'c']) void enqueue({ payload, id: payload })
    await clock.advance(1_000)
    expect(told.at(-1)).toBe('c QUEUE_FULL')
    await clock.advance(900)
    void enqueue({ payload: 'd' })
    await clock.advance(95)
    await drain(elsewhere, 1)
    await enqueue({ payload: 'c', id: 'c' })
    expect(told.slice(3)).toEqual(['c accepted'])
    await queue.close()
  })

  it('does not let a small task pass a large one at the bound in bytes', async () => {
    const { clock, queue, enqueue, told } = await scene({ maxBytes: 20 })
    await enqueue({ payload: 'x'.repeat(12) })
    void enqueue({ payload: 'y'.repeat(10) })
    await clock.advance(0)
    void enqueue({ payload: 1 })
    await clock.advance(2_000)
    expect(told).toEqual(['xxxxxxxx accepted'])
    await drain(queue.service, 1)
    await clock.advance(100)
    expect(told.slice(1)).toEqual(['yyyyyyyy accepted', '1 accepted'])
  })

  it('tells a task that is there already so, and does not let it wait', async () => {
    const { clock, enqueue, told } = await scene({ maxDepth: 1 })
    await enqueue({ payload: 'a', id: 'a', dedupId: 'd' })
    void enqueue({ payload: 'b' })
    await clock.advance(0)
    await enqueue({ payload: 'a', id: 'a' })
    await enqueue({ payload: 'a', dedupId: 'd' })
    await enqueue({ payload: 'z', dedupId: 'd' })
    expect(told).toEqual(['a accepted', 'a duplicate', 'a duplicate', 'z DEDUP_CONFLICT'])
  })

  it('counts the wait towards delay and ttl, and waits no longer than the ttl', async () => {
    const { clock, queue, enqueue, told } = await scene({ maxDepth: 1 })
    await enqueue({ payload: 'a' })
    void enqueue({ payload: 'b', ttlMs: 500 })
    void enqueue({ payload: 'c', delayMs: 1_000, ttlMs: 5_000 })
    await clock.advance(600)
    expect(told).toEqual(['a accepted', 'b QUEUE_FULL'])
    await drain(queue.service, 1)
    await clock.advance(100)
    expect(told.at(-1)).toBe('c accepted')
    expect(await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })).toEqual([])
    await clock.advance(400)
    const [claim] = await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })
    expect(claim).toMatchObject({ expired: false })
    if (claim) await queue.service.settle([{ claim, outcome: 'release', delayMs: 0 }])
    await clock.advance(3_950)
    expect(await queue.service.claim({ max: 1, leaseMs: 60_000, waitMs: 0 })).toMatchObject([{ expired: true }])
  })

  it('lets a bounded number wait, and refuses the next at once', async () => {
    const { clock, queue } = await scene({ maxDepth: 1, deadlineMs: 1_000 })
    const tasks = Array.from({ length: WAITING_BOUNDS.tasks + 2 }, (_, payload) => ({ type: 't', payload }))
    let refused = 0
    queue.on('refused', () => refused++)
    const all = queue.enqueueMany(tasks)
    await clock.advance(999)
    expect(refused).toBe(1)
    await clock.advance(1)
    expect((await all).filter(({ status }) => status === 'refused')).toHaveLength(WAITING_BOUNDS.tasks + 1)
  })

  it('tells all whose push was under way that the backend was away, and goes on with the others', async () => {
    const { clock, queue, enqueue, told } = await scene({ maxDepth: 1 })
    await enqueue({ payload: 'a' })
    for (const payload of ['b', 'c']) void enqueue({ payload })
    await clock.advance(0)
    const push = queue.service.push
    queue.service.push = () => {
      queue.service.push = push
      return Promise.reject(new Error('socket hang up'))
    }
    await drain(queue.service, 1)
    await clock.advance(0)
    expect(told.slice(1)).toEqual(['b BACKEND_UNAVAILABLE', 'c accepted'])
  })

  it('law: all that come in do so in the order in which they came, whatever happens meanwhile', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enqueue' as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('drain' as const), count: fc.integer({ min: 1, max: 3 }), here: fc.boolean() }),
      fc.record({ kind: fc.constant('advance' as const), count: fc.integer({ min: 0, max: 900 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 4 }), async (steps, maxDepth) => {
        const { clock, queue, elsewhere, enqueue, told } = await scene({ maxDepth, deadlineMs: 2_000 })
        let n = 0
        for (const one of steps) {
          if (one.kind === 'enqueue') for (let k = 0; k < one.count; k++) void enqueue({ payload: n++ })
          else if (one.kind === 'drain') await drain(one.here ? queue.service : elsewhere, one.count)
          else await clock.advance(one.count)
        }
        await queue.close()
        const accepted = told.filter((text) => text.endsWith('accepted')).map((text) => Number(text.split(' ')[0]))
        expect(accepted).toEqual([...accepted].sort((a, b) => a - b))
        expect(told).toHaveLength(n)
        expect((await elsewhere.depth()).totals?.accepted).toBe(accepted.length)
        await elsewhere.close()
      }),
      { numRuns: 1_000 },
    )
  })
})
