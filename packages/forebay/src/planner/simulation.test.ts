import { describe, expect, it } from 'vitest'
import { dead, retryIn } from '../consumer/outcome.ts'
import { mostInWindow } from '../replay/figures.ts'
import { readTrace } from '../replay/trace.ts'
import { fluidBound } from './fluid.ts'
import { waitsBehind } from './paced-servers.ts'
import { seededRandom } from '../random.ts'
import { parseServiceTime, serviceTimes } from './service-time.ts'
import { simulate } from './simulation.ts'
import { percentile } from './statistics.ts'
import { peakQueued, peakWaiting, startWaits, waitsOf } from './wait-figures.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

const burst = (count: number, serviceMs = 10) => ({
  arrivalsMs: new Float64Array(count),
  serviceMs: new Float64Array(count).fill(serviceMs),
})

describe('simulate', () => {
  it('gives a real load the waits of the fluid bound, with the starts level', async () => {
    const { arrivalsMs } = await readTrace(SLICE)
    const serviceMs = new Float64Array(arrivalsMs.length).fill(100)
    const seen = await simulate({
      arrivalsMs,
      serviceMs,
      consumer: { rate: { perSecond: 5.1, rampMs: 0 }, concurrency: 4 },
    })
    expect(seen).toMatchObject({ completed: 3_054, refused: 0, dead: 0, lost: 0, peakRunning: 1 })
    const bound = fluidBound(arrivalsMs, 5.1)
    const [waits, fluid] = [startWaits(seen).sort(), bound.waitsMs.toSorted()]
    for (const q of [0.1, 0.5, 0.9, 0.99, 1]) {
      const over = (percentile(waits, q) as number) - (percentile(fluid, q) as number)
      expect(over).toBeGreaterThan(-0.01)
      expect(over).toBeLessThan(1)
    }
    expect(mostInWindow(seen.attemptsMs, 1_000)).toBeLessThanOrEqual(6)
    expect(Math.abs(peakWaiting(seen) - bound.peakBacklog)).toBeLessThanOrEqual(1)
  })

  it('gives what the recursion of several servers gives, by one worker or by many', async () => {
    const { arrivalsMs } = await readTrace(SLICE)
    const serviceMs = serviceTimes(parseServiceTime('exp:800ms'), arrivalsMs.length)
    const computed = waitsOf(waitsBehind(arrivalsMs, serviceMs, { ratePerSecond: 5.3, servers: 6 }))
    for (const [workers, concurrency] of [
      [1, 6],
      [3, 2],
    ] as const) {
      const seen = await simulate({
        arrivalsMs,
        serviceMs,
        workers,
        consumer: { rate: { perSecond: 5.3, rampMs: 0 }, concurrency },
      })
      const waits = waitsOf(startWaits(seen))
      expect(seen.peakRunning).toBe(6)
      expect(waits.p99 / computed.p99).toBeGreaterThan(0.98)
      expect(waits.p99 / computed.p99).toBeLessThan(1.02)
    }
  })

  it('is the same each time, and another one by another seed', async () => {
    const random = seededRandom(7)
    const serviceMs = Float64Array.from({ length: 200 }, () => 100 * random.next())
    const run = (seed: number) =>
      simulate({
        arrivalsMs: new Float64Array(200),
        serviceMs,
        seed,
        consumer: { concurrency: 3, retry: { maxAttempts: 5 } },
        outcome: (_task, { attempt }) => {
          if (attempt < 3) throw new Error('not yet')
        },
      })
    const [first, again, other] = [await run(1), await run(1), await run(2)]
    expect(again.endsMs).toEqual(first.endsMs)
    expect(other.endsMs).not.toEqual(first.endsMs)
    expect(first.attemptsMs).toHaveLength(600)
  })

  it('counts what was refused, dead, dropped and expired, each once', async () => {
    const full = await simulate({ ...burst(50), queue: { maxDepth: 20 }, consumer: { concurrency: 1 } })
    expect(full).toMatchObject({ completed: 20, refused: 30, dead: 0, lost: 0 })
    expect(peakQueued(full)).toBe(20)
    const dropped = await simulate({ ...burst(50), queue: { maxDepth: 20, overflow: 'drop-oldest' }, consumer: {} })
    expect(dropped.completed + dropped.lost).toBe(50)
    expect(dropped.lost).toBeGreaterThan(20)
    const expired = await simulate({ ...burst(10, 100), consumer: {}, task: () => ({ ttlMs: 250 }) })
    expect(expired).toMatchObject({ completed: 3, lost: 7 })
    const died = await simulate({
      ...burst(4),
      consumer: {},
      outcome: ({ id }) => (id === '2' ? dead('no') : undefined),
    })
    expect(died).toMatchObject({ completed: 3, dead: 1, durationMs: 40 })
  })

  it('gives up after its patience, with what was there then', async () => {
    const outcome = () => retryIn(1_000, 'never')
    const consumer = { retry: { maxAttempts: 1_000 } }
    const seen = await simulate({ ...burst(2), consumer, outcome, patienceMs: 60_000 })
    expect(seen).toMatchObject({ completed: 0, dead: 0 })
    expect([...seen.endsMs]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
    expect(peakQueued(seen)).toBe(2)
  })

  it('ends when it is told to, and says what is wrong with its options', async () => {
    const abort = new AbortController()
    const onProgress = () => abort.abort(new Error('enough'))
    await expect(simulate({ ...burst(5_000), consumer: {}, signal: abort.signal, onProgress })).rejects.toThrow(
      'enough',
    )
    await expect(simulate({ ...burst(1), consumer: { concurrency: 0 } })).rejects.toThrow('concurrency')
    await expect(simulate({ ...burst(1), consumer: {}, task: () => ({ priority: 9_999 }) })).rejects.toThrow('priority')
  })
})
