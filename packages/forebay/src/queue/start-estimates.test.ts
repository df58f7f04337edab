import { describe, expect, it } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import type { Depth, Newcomer } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import { seededRandom } from '../random.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'
import type { QueueOptions } from './options.ts'
import type { AnyTaskTypes } from './task-types.ts'

/** @param places Where the backend tells a newcomer's place: what it says. */
async function scene(
  options: QueueOptions<AnyTaskTypes> = {},
  places?: (newcomer: Newcomer, depth: Depth) => number | undefined,
) {
  const clock = new VirtualClock()
  const service = openMemory({ clock })
  const asked: (Newcomer | undefined)[] = []
  const depth = service.depth.bind(service)
  service.depth = async (newcomer?: Newcomer) => {
    asked.push(newcomer)
    const told = await depth()
    const ahead = newcomer && places?.(newcomer, told)
    return ahead === undefined ? told : { ...told, ahead }
  }
  Object.assign(service, { capabilities: { ...service.capabilities, ahead: places !== undefined } })
  const queue = await LoadLevelingQueue.open(service, { clock, random: seededRandom(1), ...options })
  const drain = async (count: number) => {
    const claims = await service.claim({ max: count, leaseMs: 60_000, waitMs: 0 })
    await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  }
  const tasks = (count: number, more: object = {}) =>
    Array.from({ length: count }, (_, payload) => ({ type: 't', payload, ...more }))
  return { clock, queue, asked, drain, tasks }
}

describe('estimates of the start', () => {
  it('are not given while nothing is known, nor where they are not asked for', async () => {
    const { queue, tasks, asked } = await scene()
    expect(await queue.estimate()).toBeUndefined()
    const [first] = await queue.enqueueMany(tasks(3), { estimate: true })
    expect(first).not.toHaveProperty('estimate')
    asked.length = 0
    const known = await scene({ expectedPerSecond: 10 })
    expect(await known.queue.enqueue({ type: 't', payload: 1 })).not.toHaveProperty('estimate')
    expect(known.asked).toEqual([])
  })

  it('come from what is expected, and then from what was measured', async () => {
    const { clock, queue, tasks, drain } = await scene({ expectedPerSecond: 10 })
    const results = await queue.enqueueMany(tasks(100), { estimate: true })
    expect(results[0]).toMatchObject({ estimate: { startsInMs: 0, position: 0, perSecond: 10 } })
    expect(results[99]).toMatchObject({ estimate: { startsInMs: 9_950, position: 99, perSecond: 10 } })
    for (let second = 0; second < 10; second++) {
      for (let n = 0; n < 5; n++) {
        await drain(1)
        await clock.advance(200)
        await queue.estimate()
      }
    }
    const estimate = await queue.estimate()
    expect(estimate?.position).toBe(50)
    expect(estimate?.perSecond).toBeCloseTo(5, 0)
    expect(estimate?.startsInMs).toBeGreaterThan(9_000)
    expect(estimate?.startsInMs).toBeLessThan(11_000)
  })

  it('ask the backend at most once in 200 ms, however many want to know, and count what is pushed meanwhile', async () => {
    const { clock, queue, tasks, asked } = await scene({ expectedPerSecond: 1_000 })
    const positions: (number | undefined)[] = []
    for (let ms = 0; ms < 1_000; ms++) {
      const results = await queue.enqueueMany(tasks(2), { estimate: true })
      for (const result of results) if (result.status === 'accepted') positions.push(result.estimate?.position)
      await clock.advance(1)
    }
    expect(asked.length).toBeLessThanOrEqual(5)
    // Nothing is drained: after each look they are right, and in between they suppose a thousand a second to have left.
    for (const [index, position] of positions.entries()) {
      expect(position).toBeLessThanOrEqual(index)
      expect(position).toBeGreaterThanOrEqual(index - 200)
    }
    await Promise.all(Array.from({ length: 50 }, () => queue.estimate()))
    expect(asked.length).toBeLessThanOrEqual(6)
  })

  it('tell each kind of newcomer its own place, and look for a bounded number of kinds', async () => {
    const { queue, asked, tasks, clock } = await scene({ expectedPerSecond: 10 }, ({ priority }, { ready }) =>
      priority > 0 ? 0 : ready,
    )
    await queue.enqueueMany(tasks(20))
    expect(await queue.estimate()).toMatchObject({ position: 20 })
    expect(await queue.estimate({ priority: 1 })).toMatchObject({ position: 0 })
    await queue.enqueueMany(tasks(5, { priority: 1 }), { estimate: true })
    expect(await queue.estimate({ priority: 1 })).toMatchObject({ position: 5 })
    expect(await queue.estimate()).toMatchObject({ position: 25 })
    // A less urgent one does not go before an urgent one.
    await queue.enqueueMany(tasks(5), { estimate: true })
    expect(await queue.estimate({ priority: 1 })).toMatchObject({ position: 5 })
    expect(asked.map((newcomer) => newcomer?.priority)).toEqual([0, 1])
    const all = await Promise.all(Array.from({ length: 100 }, (_, priority) => queue.estimate({ priority })))
    expect(asked).toHaveLength(20)
    expect(all.filter((estimate) => estimate !== undefined)).toHaveLength(20)
    await clock.advance(1_001)
    expect(await queue.estimate({ priority: 99 })).toBeDefined()
  })

  it('do not tell of ordered tasks, and keep to the delay of a delayed one', async () => {
    const { queue } = await scene({ expectedPerSecond: 10 })
    const ordered = { type: 't', payload: 1, key: 'k', ordered: true }
    expect(await queue.enqueue(ordered, { estimate: true })).not.toHaveProperty('estimate')
    const delayed = { type: 't', payload: 1, delayMs: 3_000 }
    expect((await queue.enqueue(delayed, { estimate: true })).estimate?.startsInMs).toBe(3_000)
  })

  it('are not given while the backend does not answer, and enqueues are not held up by that', async () => {
    const { queue } = await scene({ expectedPerSecond: 10 })
    queue.service.depth = () => Promise.reject(new Error('timed out'))
    expect(await queue.estimate()).toBeUndefined()
    expect(await queue.enqueue({ type: 't', payload: 1 }, { estimate: true })).toMatchObject({ status: 'accepted' })
  })

  it('count what lies in a spill, which goes in first', async () => {
    const overflow = { policy: 'spill', to: 'memory:' } as const
    const { queue, tasks } = await scene({ expectedPerSecond: 10, maxDepth: 10, overflow })
    await queue.enqueueMany(tasks(30))
    expect(await queue.estimate()).toMatchObject({ position: 30 })
    expect(await queue.enqueue({ type: 't', payload: 1 }, { estimate: true })).toMatchObject({
      spilled: true,
      estimate: { position: 30, startsInMs: 3_050 },
    })
    expect(await queue.estimate()).toMatchObject({ position: 31 })
  })

  it('are told anew to a task that had to wait', async () => {
    const overflow = { policy: 'wait', deadlineMs: 10_000 } as const
    const { queue, tasks, clock, drain } = await scene({ expectedPerSecond: 10, maxDepth: 10, overflow })
    await queue.enqueueMany(tasks(10))
    const waits = queue.enqueue({ type: 't', payload: 1 }, { estimate: true })
    await clock.advance(500)
    await drain(3)
    await clock.advance(100)
    const { waitedMs, estimate } = await waits
    expect(waitedMs).toBeGreaterThanOrEqual(500)
    expect(estimate?.position).toBeLessThanOrEqual(9)
    expect(estimate?.position).toBeGreaterThanOrEqual(6)
  })
})

describe('shedLate', () => {
  const late = (ttlMs: number) => ({ type: 't', payload: 1, ttlMs })

  it('refuses what could not start in time, says when it could, and stores nothing', async () => {
    const { queue, tasks } = await scene({ expectedPerSecond: 10, shedLate: true })
    await queue.enqueueMany(tasks(100))
    await expect(queue.enqueue(late(5_000))).rejects.toMatchObject({
      code: 'TOO_LATE',
      status: 429,
      path: 'ttlMs',
      retryAfterMs: 6_000,
    })
    // Not sooner than in a second.
    await expect(queue.enqueue(late(10_000))).rejects.toMatchObject({ code: 'TOO_LATE', retryAfterMs: 1_000 })
    expect(await queue.enqueue(late(10_100))).toMatchObject({ status: 'accepted' })
    expect(await queue.enqueue({ type: 't', payload: 1 })).toMatchObject({ status: 'accepted' })
    expect(queue.counts).toMatchObject({ accepted: 102, refused: { TOO_LATE: 2 } })
    expect((await queue.depth()).totals?.accepted).toBe(102)
  })

  it('of many, takes as many as can start in time, in their order', async () => {
    const { queue, tasks } = await scene({ expectedPerSecond: 10, shedLate: true })
    await queue.enqueueMany(tasks(20))
    const results = await queue.enqueueMany(tasks(50, { ttlMs: 4_000 }))
    const accepted = results.filter(({ status }) => status === 'accepted').length
    expect(accepted).toBe(20)
    expect(results.slice(0, accepted).every(({ status }) => status === 'accepted')).toBe(true)
  })

  it('takes everything while it does not know what the queue can do, and unless it is asked for', async () => {
    const unknown = await scene({ shedLate: true })
    await unknown.queue.enqueueMany(unknown.tasks(100))
    expect(await unknown.queue.enqueue(late(1))).toMatchObject({ status: 'accepted' })
    const plain = await scene({ expectedPerSecond: 1 })
    await plain.queue.enqueueMany(plain.tasks(100))
    expect(await plain.queue.enqueue(late(1))).toMatchObject({ status: 'accepted' })
    expect(plain.asked).toEqual([])
  })

  it('tells a task that is there already so, although a new one would be too late', async () => {
    const { queue, tasks } = await scene({ expectedPerSecond: 10, shedLate: true })
    await queue.enqueue({ ...late(5_000), id: 'first' })
    await queue.enqueueMany(tasks(100))
    expect(await queue.enqueue({ ...late(5_000), id: 'first' })).toEqual({ id: 'first', status: 'duplicate' })
    await expect(queue.enqueue({ ...late(5_000), id: 'other' })).rejects.toMatchObject({ code: 'TOO_LATE' })
  })

  it('lets in what starts in time, nine times in ten, and who comes when it was told if the queue only drained meanwhile', async () => {
    const { queue, tasks, clock } = await scene({ expectedPerSecond: 20, shedLate: true })
    const random = seededRandom(5)
    const outcomes = { refused: 0, refusedAgain: 0, started: 0, expired: 0 }
    const consumer = new LeveledConsumer(queue, () => undefined, { rate: { perSecond: 20, rampMs: 0 }, random })
    consumer.on('started', ({ task }) => {
      if (task.type === 'dated') outcomes.started++
    })
    consumer.on('expired', () => outcomes.expired++)
    await consumer.start()
    for (let round = 0; round < 40; round++) {
      await queue.enqueueMany(tasks(200))
      await clock.advance(500)
      const dated = { type: 'dated', payload: round, ttlMs: 500 + random.next() * 12_000 }
      const [first] = await queue.enqueueMany([dated])
      if (first?.status === 'refused') {
        outcomes.refused++
        await clock.advance(first.error.retryAfterMs ?? 0)
        const [again] = await queue.enqueueMany([dated])
        if (again?.status === 'refused') outcomes.refusedAgain++
      }
      await clock.advance(20_000)
    }
    expect(outcomes.refused).toBeGreaterThan(20)
    expect(outcomes.refusedAgain).toBeLessThanOrEqual(0.1 * outcomes.refused)
    expect(outcomes.started + outcomes.expired).toBe(40 - outcomes.refusedAgain)
    expect(outcomes.expired).toBeLessThanOrEqual(4)
    await Promise.all([consumer.stop(), clock.advance(1_000)])
  })
})
