import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fluidBound } from '../planner/fluid.ts'
import { type Arrival, figuresOf, mostInWindow, type ReplayRecord } from './figures.ts'

/** Ten requests at once, then nothing. */
const BURST = Array.from({ length: 10 }, () => 0)

function record(changes: Partial<ReplayRecord>): ReplayRecord {
  const dueMs = changes.dueMs ?? BURST
  const door = Array.from({ length: dueMs.length }, () => 'accepted' as const)
  const base = { rate: 10, durationMs: 1_000, dueMs, door, doorCompletes: false, arrivals: [], dead: 0, stillQueued: 0 }
  return { ...base, ...changes }
}

/** What a perfect queue does: each starts as soon as the rate lets it. */
function paced(dueMs: readonly number[], rate: number): Arrival[] {
  return [...fluidBound(dueMs, rate).waitsMs].map((wait, index) => ({
    index,
    atMs: (dueMs[index] as number) + wait,
    served: true,
  }))
}

describe('figuresOf', () => {
  it('has the documented fields, no more', () => {
    expect(figuresOf(record({ arrivals: paced(BURST, 10) }))).toEqual({
      offered: 10,
      accepted: 10,
      refused: 0,
      completed: 10,
      failed: 0,
      dead: 0,
      lost: 0,
      durationMs: 1_000,
      rate: 10,
      input: { peakPerSecond: 10, meanPerSecond: 10 },
      output: { peakPerSecond: 10, meanPerSecondWhileBacklogged: null },
      maxStarts: { in1s: 10, in100ms: 1 },
      depth: { peak: 10, fluidPeak: 10 },
      waitMs: { mean: 450, p50: 400, p99: 900, max: 900 },
      fluidWaitMs: { mean: 450, p50: 400, p99: 900, max: 900 },
    })
  })

  it('equals the fluid bound when a perfect queue served it, whatever the load', () => {
    const loads = fc.array(fc.nat(200), { minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(loads, fc.integer({ min: 1, max: 100 }), (steps, rate) => {
        let time = 0
        const dueMs = steps.map((step) => (time += step))
        const figures = figuresOf(record({ dueMs, rate, arrivals: paced(dueMs, rate) }))
        const { mean, ...exact } = figures.fluidWaitMs
        expect(figures.waitMs).toMatchObject(exact)
        expect(figures.waitMs.mean).toBeCloseTo(mean as number, 2)
        expect(figures.maxStarts.in1s).toBeLessThanOrEqual(rate + 1)
      }),
    )
  })

  it('puts every offered request into exactly one end', () => {
    const ends = fc.array(
      fc.record({
        door: fc.constantFrom('accepted' as const, 'refused' as const, 'failed' as const),
        arrives: fc.boolean(),
        served: fc.boolean(),
      }),
      { maxLength: 50 },
    )
    fc.assert(
      fc.property(ends, fc.boolean(), (requests, doorCompletes) => {
        const arrivals = requests.flatMap(({ arrives, served }, index) =>
          arrives ? [{ index, atMs: index, served }] : [],
        )
        const door = requests.map((request) => request.door)
        const figures = figuresOf(record({ dueMs: requests.map((_, index) => index), door, arrivals, doorCompletes }))
        const { offered, completed, refused, failed, dead, lost } = figures
        expect(completed + refused + failed + dead + lost).toBe(offered)
        expect(offered).toBe(requests.length)
      }),
    )
  })

  it('counts as lost what was accepted and ended nowhere, and what is still queued as failed', () => {
    const arrivals = paced(BURST, 10).slice(0, 4)
    expect(figuresOf(record({ arrivals, dead: 1, stillQueued: 2 }))).toMatchObject({
      completed: 4,
      dead: 1,
      failed: 2,
      lost: 3,
    })
  })

  it('takes the first arrival for waits and every one for starts', () => {
    const arrivals = [
      { index: 0, atMs: 20, served: true },
      { index: 0, atMs: 5, served: false },
    ]
    const figures = figuresOf(record({ dueMs: [0], arrivals }))
    expect(figures.waitMs.max).toBe(5)
    expect(figures.maxStarts.in1s).toBe(2)
    expect(figures.completed).toBe(1)
  })

  it('says null for what nobody could measure', () => {
    const figures = figuresOf(record({ rate: undefined, arrivals: undefined, doorCompletes: true }))
    expect(figures.completed).toBe(10)
    expect(figures).toMatchObject({
      rate: null,
      output: { peakPerSecond: null, meanPerSecondWhileBacklogged: null },
      maxStarts: { in1s: null, in100ms: null },
      depth: { peak: null, fluidPeak: null },
      waitMs: { mean: null, p50: null, p99: null, max: null },
      fluidWaitMs: { mean: null, p50: null, p99: null, max: null },
    })
  })
})

describe('output while a backlog stands', () => {
  const dueMs = Array.from({ length: 100 }, () => 0)
  const meanOf = (arrivals: readonly Arrival[]) =>
    figuresOf(record({ dueMs, arrivals })).output.meanPerSecondWhileBacklogged as number

  it('is the rate, if a perfect queue kept it', () => {
    expect(meanOf(paced(dueMs, 10))).toBeCloseTo(10, 0)
  })

  it('shows a stall', () => {
    const stalled = paced(dueMs, 10).map((arrival) => ({ ...arrival, atMs: arrival.atMs + 10_000 }))
    expect(meanOf(stalled)).toBeCloseTo(5, 0)
  })

  it('does not count the time without a backlog', () => {
    const twice = [...dueMs, ...dueMs.map(() => 60_000)]
    const figures = figuresOf(record({ dueMs: twice, arrivals: paced(twice, 10) }))
    expect(figures.output.meanPerSecondWhileBacklogged).toBeCloseTo(10, 0)
  })
})

describe('mostInWindow', () => {
  it('is half-open: what is exactly a window apart is not in it', () => {
    expect(mostInWindow([0, 100, 200], 100)).toBe(1)
    expect(mostInWindow([0, 99.9, 100], 100)).toBe(2)
  })

  it('agrees with counting from every start', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000)), fc.integer({ min: 1, max: 500 }), (times, window) => {
        const sorted = times.toSorted((a, b) => a - b)
        const counts = sorted.map((start) => sorted.filter((time) => time >= start && time < start + window).length)
        expect(mostInWindow(sorted, window)).toBe(Math.max(0, ...counts))
      }),
    )
  })
})
