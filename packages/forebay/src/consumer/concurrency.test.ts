import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import type { AnyTaskTypes } from '../queue/task-types.ts'
import type { Handler } from './handler.ts'
import { adaptive, aimd, type LearningConcurrency, type LimitEvent } from './concurrency.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import { release } from './outcome.ts'

/** A downstream of 8 servers and 100 ms, first come first served; `act` may spoil it. */
async function house(concurrency: LearningConcurrency, tasks: number, act?: Handler<AnyTaskTypes>) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1), maxDepth: 200_000 })
  const free = Array.from({ length: 8 }, () => 0)
  const serve: Handler<AnyTaskTypes> = () => {
    free.sort((a, b) => a - b)
    const done = Math.max(clock.monotonic(), free[0] as number) + 100
    free[0] = done
    return new Promise((resolve) => void clock.after(done - clock.monotonic(), () => resolve(undefined)))
  }
  const consumer = new LeveledConsumer(queue, act ?? serve, { random: seededRandom(2), concurrency })
  const changes: LimitEvent[] = []
  let most = 0
  consumer.on('limit', (change) => changes.push(change))
  consumer.on('started', () => {
    most = Math.max(most, consumer.running)
  })
  const numbers = Array.from({ length: tasks }, (_, n) => ({ type: 'work', payload: n }))
  await queue.enqueueMany(numbers)
  await consumer.start()
  return { clock, queue, consumer, changes, most: () => most }
}

async function ended(consumer: LeveledConsumer, clock: VirtualClock): Promise<void> {
  const stopped = consumer.stop()
  await clock.advance(20_000)
  await stopped
}

describe('a concurrency that is found', () => {
  it('settles a little above what the downstream runs at once, and tells each step with its reason', async () => {
    const { clock, consumer, changes, most } = await house(adaptive({ min: 1, max: 100 }), 4_000)
    await clock.advance(20_000)
    expect(consumer.limits.concurrency).toBeGreaterThanOrEqual(8)
    expect(consumer.limits.concurrency).toBeLessThanOrEqual(16)
    expect(most()).toBeLessThanOrEqual(40)
    expect(changes.length).toBeGreaterThan(3)
    changes.slice(1).forEach(({ previous }, index) => expect(previous).toBe(changes[index]?.limit))
    expect(new Set(changes.map(({ reason }) => reason))).toContain('room')
    await ended(consumer, clock)
  })

  it('a dry run tells what it would do and changes nothing', async () => {
    const options = { min: 1, max: 100, initial: 5, dryRun: true }
    const { clock, consumer, changes, most } = await house(adaptive(options), 2_000)
    await clock.advance(20_000)
    expect(changes.length).toBeGreaterThan(0)
    expect(changes.every(({ dryRun }) => dryRun)).toBe(true)
    expect(consumer.limits.concurrency).toBe(5)
    expect(most()).toBe(5)
    await ended(consumer, clock)
  })

  it('frozen it stays where it is, until it is let go', async () => {
    const { clock, consumer, changes } = await house(aimd({ max: 50, initial: 6, freeze: true }), 4_000)
    await clock.advance(10_000)
    expect(changes).toEqual([])
    expect(consumer.limits.concurrency).toBe(6)
    consumer.update({ concurrency: aimd({ max: 50 }) })
    await clock.advance(10_000)
    expect(consumer.limits.concurrency).toBeGreaterThan(8)
    consumer.update({ concurrency: 3 })
    expect(consumer.limits.concurrency).toBe(3)
    expect(changes.at(-1)).toMatchObject({ limit: 3, reason: 'settings' })
    await ended(consumer, clock)
  })

  it('failing attempts lower it', async () => {
    const fails = () => Promise.reject(new Error('no'))
    const { clock, consumer, changes } = await house(aimd({ min: 2, max: 50, initial: 20 }), 500, fails)
    await clock.advance(120_000)
    expect(consumer.limits.concurrency).toBeLessThan(20)
    expect(changes.every(({ reason }) => reason === 'errors')).toBe(true)
    await ended(consumer, clock)
  })

  it('finds the quota of a downstream that refuses with Retry-After', async () => {
    let tokens = 10
    let last = 0
    let accepted = 0
    const counts = { refused: 0 }
    const clockOf: { clock?: VirtualClock } = {}
    const act = () => {
      const now = clockOf.clock?.monotonic() ?? 0
      tokens = Math.min(10, tokens + ((now - last) * 50) / 1_000)
      last = now
      if (tokens >= 1) {
        tokens--
        accepted++
        return undefined
      }
      counts.refused++
      return release(1_000, { holdStarts: true })
    }
    const made = await house(adaptive({ max: 20 }), 20_000, act)
    clockOf.clock = made.clock
    await made.clock.advance(60_000)
    accepted = 0
    counts.refused = 0
    await made.clock.advance(60_000)
    expect(accepted / 60).toBeGreaterThan(42)
    expect(counts.refused).toBeLessThan(10)
    await ended(made.consumer, made.clock)
  })

  it.each([{ max: 0 }, { min: 5, max: 4 }, { max: 20_000 }, { max: 10, initial: 11 }, { max: 2.5 }])(
    'refuses %o',
    async (options) => {
      const queue = await LoadLevelingQueue.open('memory:')
      expect(() => new LeveledConsumer(queue, () => {}, { concurrency: adaptive(options) })).toThrow(/concurrency\./)
      await queue.close()
    },
  )
})
