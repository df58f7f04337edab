import { describe, expect, it } from 'vitest'
import { openMemory } from '../backends/memory/memory-queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { seededRandom } from '../random.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'
import type { Overflow } from './overflow.ts'

async function open(overflow: Overflow, bounds: { maxDepth?: number; maxBytes?: number } = { maxDepth: 3 }) {
  const clock = new VirtualClock()
  return LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1), ...bounds, overflow })
}

const task = (id: string, more: object = {}) => ({ type: 't', payload: 1, id, ...more })

async function idsIn(queue: LoadLevelingQueue): Promise<string[]> {
  const claims = await queue.service.claim({ max: 100, leaseMs: 60_000, waitMs: 0 })
  return claims.map(({ id }) => id)
}

describe('overflow: drop-oldest', () => {
  it('lets the oldest give way, and tells the producer, listeners and counts', async () => {
    const queue = await open('drop-oldest')
    const dropped: unknown[] = []
    queue.on('dropped', (event) => dropped.push(event))
    await queue.enqueueMany(['a', 'b', 'c'].map((id) => task(id)))
    expect(await queue.enqueue(task('d'))).toEqual({ status: 'accepted', id: 'd', dropped: ['a'] })
    expect(await queue.enqueue(task('b'))).toEqual({ status: 'duplicate', id: 'b' })
    expect(dropped).toEqual([{ id: 'a', by: 'd' }])
    expect(queue.counts).toMatchObject({ accepted: 4, duplicate: 1, dropped: 1, refused: {} })
    expect(await idsIn(queue)).toEqual(['b', 'c', 'd'])
  })

  it('refuses if nothing can give way, with a time to come again, and keeps no places free by dropping', async () => {
    const queue = await open('drop-oldest')
    await queue.enqueueMany(['a', 'b', 'c'].map((id) => task(id, { delayMs: 60_000 })))
    await expect(queue.enqueue(task('d'))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      retryAfterMs: expect.any(Number),
    })
    expect(await queue.depth()).toMatchObject({ delayed: 3, totals: { dropped: 0 } })
  })

  it('estimates for a newcomer behind what is left', async () => {
    const clock = new VirtualClock()
    const options = { clock, maxDepth: 10, overflow: 'drop-oldest', expectedPerSecond: 10 } as const
    const queue = await LoadLevelingQueue.open('memory:', options)
    const many = Array.from({ length: 30 }, (_, n) => task(String(n)))
    const results = await queue.enqueueMany(many, { estimate: true })
    expect(results[9]).toMatchObject({ estimate: { position: 9 } })
    expect(await queue.estimate()).toMatchObject({ position: 10 })
  })
})

describe('overflow: drop-lowest-priority', () => {
  it('lets the least urgent give way to what is more urgent, and refuses what is not', async () => {
    const queue = await open('drop-lowest-priority')
    await queue.enqueueMany([task('low', { priority: -1 }), task('mid'), task('other')])
    expect(await queue.enqueue(task('high', { priority: 5 }))).toEqual({
      status: 'accepted',
      id: 'high',
      dropped: ['low'],
    })
    await expect(queue.enqueue(task('lowest', { priority: -5 }))).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    expect((await idsIn(queue)).toSorted()).toEqual(['high', 'mid', 'other'])
  })
})

describe('overflow', () => {
  it('drops nothing on a backend that cannot: it says so when the queue is opened, and lets go of the backend', async () => {
    const service = openMemory()
    Object.assign(service, { capabilities: { ...service.capabilities, eviction: false } })
    for (const overflow of ['drop-oldest', 'drop-lowest-priority'] as const) {
      const opening = LoadLevelingQueue.open(service, { maxDepth: 1, overflow })
      await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED', path: 'overflow' })
    }
    const waits = await LoadLevelingQueue.open(service, { maxDepth: 1, overflow: { policy: 'wait', deadlineMs: 1 } })
    await waits.close()
  })

  it.each([
    ['a word that is none', 'drop', 'overflow'],
    ['a policy that is none', { policy: 'drop' }, 'overflow'],
    ['nothing', null, 'overflow'],
    ['a wait without a deadline', { policy: 'wait' }, 'overflow.deadlineMs'],
    ['a wait for ever', { policy: 'wait', deadlineMs: Number.POSITIVE_INFINITY }, 'overflow.deadlineMs'],
    ['a spill to nowhere', { policy: 'spill' }, 'overflow'],
  ])('refuses %s', async (_what, overflow, path) => {
    await expect(open(overflow as Overflow)).rejects.toMatchObject({ code: 'INVALID_OPTION', path })
  })

  it.each(['drop-oldest', { policy: 'wait', deadlineMs: 1 }, { policy: 'spill', to: 'memory:' }] as const)(
    'refuses %j where nothing is bounded',
    async (overflow) => {
      await expect(open(overflow, {})).rejects.toMatchObject({ code: 'INVALID_OPTION', path: 'overflow' })
    },
  )

  it.each(['reject', 'drop-oldest', { policy: 'wait', deadlineMs: 1 }, { policy: 'spill', to: 'memory:' }] as const)(
    '%j refuses what would never fit for its size',
    async (overflow) => {
      const queue = await open(overflow, { maxBytes: 10 })
      await expect(queue.enqueue({ type: 't', payload: 'more than ten' })).rejects.toMatchObject({
        code: 'PAYLOAD_TOO_LARGE',
      })
      await queue.close()
    },
  )
})
