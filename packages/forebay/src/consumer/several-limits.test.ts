import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { mostInWindow } from '../replay/figures.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { ConsumerOptions } from './options.ts'
import type { RateOptions } from './rate-options.ts'

async function house(rate: RateOptions, consumers = 1, options: ConsumerOptions = {}) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const starts: { readonly at: number; readonly cost: number }[] = []
  const all = Array.from(
    { length: consumers },
    (_, by) =>
      new LeveledConsumer(
        queue,
        ({ cost, payload }, context) => {
          starts.push({ at: clock.monotonic(), cost })
          const extra = (payload as { readonly extra?: number }).extra
          if (extra) context.charge(extra)
        },
        { random: seededRandom(by), concurrency: 100, rate: { rampMs: 0, ...rate }, ...options },
      ),
  )
  const run = async (ms: number) => {
    await Promise.all(all.map((consumer) => consumer.start()))
    await clock.advance(ms)
    await Promise.all(all.map((consumer) => consumer.stop()))
  }
  const times = () => starts.map(({ at }) => at)
  return { clock, queue, consumers: all, starts, times, run }
}

const tasks = (count: number, fields: object = {}) =>
  Array.from({ length: count }, () => ({ type: 't', payload: {}, ...fields }))

const SCOPES = ['queue', 'process'] as const

describe.each(SCOPES)('several limits at once, scope %s', (scope) => {
  it('50 a second and 1,000 a minute hold together', async () => {
    const { queue, times, run } = await house({ perSecond: 50, scope, also: [{ perMinute: 1_000, burst: 500 }] })
    await queue.enqueueMany(tasks(3_000))
    await run(120_000)
    expect(mostInWindow(times(), 1_000)).toBe(50)
    expect(mostInWindow(times(), 60_000)).toBeLessThanOrEqual(1_501)
    expect(times().length).toBeGreaterThanOrEqual(2_495)
  })

  it("a rate that counts costs: each window's cost is bounded, and the mean is exact", async () => {
    const { queue, starts, run } = await house({ perMinute: 60_000, counts: 'cost', scope })
    const costs = Array.from({ length: 400 }, (_, index) => 1 + ((index * 7919) % 500))
    await queue.enqueueMany(costs.map((cost) => ({ type: 't', payload: {}, cost })))
    await run(60_000)
    const spent = starts.reduce((sum, { cost }) => sum + cost, 0)
    expect(spent).toBeGreaterThan(59_400)
    expect(spent).toBeLessThan(60_600)
    for (const { at } of starts) {
      const within = starts.filter((start) => start.at >= at && start.at < at + 5_000)
      const before = within.slice(0, -1).reduce((sum, { cost }) => sum + cost, 0)
      expect(before).toBeLessThanOrEqual(5_000 * 1.001)
    }
  })

  it('what a task costs beyond its cost is made up for before the next start', async () => {
    const { queue, times, run } = await house({ perSecond: 100, counts: 'cost', scope })
    await queue.enqueueMany([
      { type: 't', payload: { extra: 90 }, cost: 10 },
      { type: 't', payload: {}, cost: 10 },
      { type: 't', payload: {}, cost: 10 },
      ...tasks(10, { cost: 10 }),
    ])
    await run(10_000)
    const [first = 0] = times()
    const last = (times().at(-1) ?? 0) - first
    expect(last).toBeGreaterThanOrEqual(1_200 + 900 - 10)
    expect(times()).toHaveLength(13)
  })

  it('a stated burst goes at once after a rest, and is no more than stated', async () => {
    const { queue, times, run } = await house({ perSecond: 10, burst: 20, scope })
    await queue.enqueueMany(tasks(200))
    await run(10_000)
    const [first = 0] = times()
    expect(times().filter((at) => at - first < 50).length).toBe(21)
    expect(mostInWindow(times(), 1_000)).toBeLessThanOrEqual(31)
    expect(times().length).toBeGreaterThanOrEqual(118)
  })
})

describe('several limits and several consumers', () => {
  it('keep all limits together', async () => {
    const { queue, times, run } = await house({ perSecond: 100, also: [{ perMinute: 3_000 }] }, 3)
    await queue.enqueueMany(tasks(2_000))
    await run(20_000)
    expect(mostInWindow(times(), 1_000)).toBeLessThanOrEqual(51)
    expect(times().length).toBeGreaterThan(980)
  })

  it('change at run time without a jump or a stall', async () => {
    const { clock, queue, consumers, times } = await house({ perMinute: 1 }, 2)
    await queue.enqueueMany(tasks(2_000))
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(1_000)
    expect(times()).toHaveLength(1)
    for (const consumer of consumers) consumer.update({ rate: { perSecond: 50, also: [{ perSecond: 20 }] } })
    await clock.advance(10_000)
    expect(mostInWindow(times(), 1_000)).toBeLessThanOrEqual(21)
    expect(times().length).toBeGreaterThan(190)
    for (const consumer of consumers) consumer.update({ rate: { perSecond: 50, also: [] } })
    await clock.advance(10_000)
    expect(times().length).toBeGreaterThan(190 + 490)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })
})

describe.each(SCOPES)('a change of the rate, scope %s', (scope) => {
  it.each([1, 3])('neither jumps nor stalls, with %d consumers', async (count) => {
    const { clock, queue, consumers, times } = await house({ perSecond: 10, scope }, scope === 'process' ? 1 : count)
    await queue.enqueueMany(tasks(3_000))
    await Promise.all(consumers.map((consumer) => consumer.start()))
    await clock.advance(3_330)
    let [slow, fast] = [10, 30]
    for (let change = 0; change < 20; change++) {
      ;[slow, fast] = [fast, slow]
      for (const consumer of consumers) consumer.update({ rate: { perSecond: slow } })
      await clock.advance(1_370 + 97 * change)
    }
    const gaps = times()
      .slice(1)
      .map((at, index) => at - (times()[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThan(1_000 / 30 - 1e-6)
    expect(Math.max(...gaps)).toBeLessThan(1_000 / 10 + 1e-6)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
  })
})

describe('a rate as it is written', () => {
  const limitsOf = async (rate: unknown) => (await house(rate as RateOptions)).consumers[0]?.limits

  it('in one of three units, and what an update does not name stays', async () => {
    expect(
      (await limitsOf({ perMinute: 90, also: [{ perHour: 3_600, counts: 'cost', burst: 5 }] }))?.flow.limits,
    ).toEqual([
      { perSecond: 1.5, burst: 0, counts: 'tasks' },
      { perSecond: 1, burst: 5, counts: 'cost' },
    ])
    const { consumers } = await house({ perSecond: 5, burst: 2, also: [{ perMinute: 60 }] })
    const [consumer] = consumers as [LeveledConsumer]
    consumer.update({ rate: { perSecond: 7 } })
    expect(consumer.limits.flow.limits).toEqual([
      { perSecond: 7, burst: 2, counts: 'tasks' },
      { perSecond: 1, burst: 0, counts: 'tasks' },
    ])
    consumer.update({ rate: null })
    expect(consumer.limits.perSecond).toBe(Number.POSITIVE_INFINITY)
  })

  it.each([
    [{}, /rate names no rate|above 0/],
    [{ perSecond: 1, perMinute: 60 }, /rate names perSecond and perMinute; it is one of them/],
    [{ perMinute: 3_000_001 }, /rate.perMinute is a number above 0 and at most 3000000/],
    [{ perSecond: 1, burst: -1 }, /rate.burst/],
    [{ perSecond: 1, counts: 'bytes' }, /rate.counts is "tasks" or "cost", not bytes/],
    [{ perSecond: 1, also: [{}] }, /rate.also.0 names no rate/],
    [{ perSecond: 1, also: [{ perHour: Number.NaN }] }, /rate.also.0.perHour/],
  ])('refuses %j', async (rate, message) => {
    await expect(limitsOf(rate)).rejects.toThrow(message)
  })
})
