import { describe, expect, it } from 'vitest'
import { MemoryQueueService } from '../backends/memory/memory-queue-service.ts'
import type { QueueService } from '../backends/queue-service.ts'
import type { SharedState } from '../backends/shared-state.ts'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import { release } from './outcome.ts'
import type { ConsumerOptions } from './options.ts'

const FAST = { rate: { perSecond: 100, rampMs: 0 }, concurrency: 50 } as const

async function shared(
  consumers: number,
  options: ConsumerOptions = FAST,
  handle?: (n: number) => ReturnType<typeof release> | undefined,
) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open(new MemoryQueueService({ clock }), { clock, random: seededRandom(1) })
  const starts: { readonly at: number; readonly by: number }[] = []
  const all = Array.from({ length: consumers }, (_, by) => {
    const handler = () => {
      starts.push({ at: clock.monotonic(), by })
      return handle?.(starts.length)
    }
    return new LeveledConsumer(queue, handler, { random: seededRandom(by), ...options })
  })
  const fill = (count: number) =>
    queue.enqueueMany(Array.from({ length: count }, (_, payload) => ({ type: 't', payload })))
  return { clock, queue, consumers: all, starts, fill }
}

/** Called before each step that is applied to the shared state. */
function intercept(service: QueueService, before: () => void): void {
  const shared = service.shared as SharedState
  const apply = shared.apply.bind(shared)
  shared.apply = async (cell, step) => {
    before()
    return apply(cell, step)
  }
}

const gapsOf = (starts: readonly { readonly at: number }[]) =>
  starts.slice(1).map(({ at }, index) => at - (starts[index] as { at: number }).at)

describe('a rate that belongs to the queue', () => {
  it('four consumers keep one rate together, and each gets a share', async () => {
    const { clock, consumers, starts, fill } = await shared(4)
    await fill(1_000)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(9_995)
    expect(starts.length).toBeGreaterThanOrEqual(990)
    expect(Math.min(...gapsOf(starts))).toBeGreaterThan(9.99)
    for (let by = 0; by < 4; by++) expect(starts.filter((start) => start.by === by).length).toBeGreaterThan(20)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })

  it('what one that stops had reserved goes to the others, and a newcomer joins in', async () => {
    const { clock, consumers, starts, fill } = await shared(3)
    await fill(1_000)
    const [first, second, late] = consumers as [LeveledConsumer, LeveledConsumer, LeveledConsumer]
    await Promise.all([first.start(), second.start()])
    await clock.advance(2_000)
    await first.stop()
    await late.start()
    await clock.advance(4_000)
    expect(Math.max(...gapsOf(starts))).toBeLessThan(260)
    expect(starts.length).toBeGreaterThan(570)
    expect(Math.min(...gapsOf(starts))).toBeGreaterThan(9.99)
    expect(starts.some(({ by }) => by === 2)).toBe(true)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })

  it('one consumer that is asked for quiet quiets all', async () => {
    const quiet = (n: number) => (n === 20 ? release(3_000, { holdStarts: true }) : undefined)
    const { clock, consumers, starts, fill } = await shared(2, FAST, quiet)
    await fill(500)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(8_000)
    const gaps = gapsOf(starts)
    // Slots that the other had reserved already may still be used.
    const heldAt = gaps.findIndex((gap) => gap > 2_000)
    expect(heldAt).toBeGreaterThan(0)
    expect((starts[heldAt] as { at: number }).at - (starts[19] as { at: number }).at).toBeLessThanOrEqual(250)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })

  it('reserves fewer than ten times a second, also at a high rate', async () => {
    const { clock, queue, consumers, starts, fill } = await shared(1, {
      rate: { perSecond: 1_000, rampMs: 0 },
      concurrency: 1_000,
    })
    let calls = 0
    intercept(queue.service, () => {
      calls++
    })
    await fill(10_000)
    await consumers[0]?.start()
    await clock.advance(5_000)
    expect(starts.length).toBeGreaterThan(4_990)
    expect(calls).toBeLessThanOrEqual(50)
    await consumers[0]?.stop()
  })

  it('at a low rate no task is held by a consumer that may not start it soon', async () => {
    const { clock, queue, consumers, starts, fill } = await shared(3, { rate: { perSecond: 0.1 }, concurrency: 5 })
    await fill(20)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(95_000)
    expect(starts).toHaveLength(10)
    expect((await queue.depth()).inFlight).toBe(0)
    expect(gapsOf(starts).every((gap) => gap > 9_999)).toBe(true)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })

  it('a new rate holds at once for the slots to come', async () => {
    const { clock, consumers, starts, fill } = await shared(2, { rate: { perSecond: 0.1, rampMs: 0 }, concurrency: 50 })
    await fill(1_000)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(1_000)
    expect(starts).toHaveLength(1)
    for (const consumer of consumers) consumer.update({ rate: { perSecond: 100, rampMs: 0 } })
    await clock.advance(2_000)
    expect(starts.length).toBeGreaterThan(190)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })

  it('goes on when the engine could not be asked, and tells', async () => {
    const { clock, queue, consumers, starts, fill } = await shared(1)
    let failures = 3
    intercept(queue.service, () => {
      if (failures-- > 0) throw new Error('gone fishing')
    })
    const errors: string[] = []
    consumers[0]?.on('error', ({ error }) => errors.push(error.code))
    await fill(100)
    await consumers[0]?.start()
    await clock.advance(5_000)
    expect(errors).toEqual(['BACKEND_UNAVAILABLE', 'BACKEND_UNAVAILABLE', 'BACKEND_UNAVAILABLE'])
    expect(starts).toHaveLength(100)
    await consumers[0]?.stop()
  })

  it('with scope "process" each consumer keeps its own rate; without a shared pacer that must be said', async () => {
    const { clock, queue, consumers, starts, fill } = await shared(2, {
      ...FAST,
      rate: { ...FAST.rate, scope: 'process' },
    })
    await fill(1_000)
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(1_000)
    expect(starts.length).toBeGreaterThan(195)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    Object.defineProperty(queue.service, 'shared', { value: undefined })
    expect(() => new LeveledConsumer(queue, () => undefined, FAST)).toThrow(/can't keep one rate over all consumers/)
    const unlimited = new LeveledConsumer(queue, () => undefined)
    expect(() => unlimited.update({ rate: { perSecond: 5 } })).toThrow(/can't keep one rate over all consumers/)
  })
})
