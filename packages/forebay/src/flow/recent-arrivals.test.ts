import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentArrivals } from './recent-arrivals.ts'

function arrivalsOf(counts: readonly number[], { everyMs = 1_000, rememberMs = 100_000 } = {}): RecentArrivals {
  const arrivals = new RecentArrivals(rememberMs)
  counts.forEach((count, index) => {
    arrivals.add(index * everyMs, (index + 1) * everyMs, count)
  })
  return arrivals
}

describe('what came since', () => {
  it('counts whole intervals, and of one the share that is later', () => {
    const arrivals = arrivalsOf([10, 20, 40])
    expect(arrivals.since(0)).toBe(70)
    expect(arrivals.since(2_000)).toBe(40)
    expect(arrivals.since(1_500)).toBe(50)
    expect(arrivals.since(3_000)).toBe(0)
  })

  it('forgets what is beyond its memory', () => {
    expect(arrivalsOf([10, 20, 40, 0, 0], { rememberMs: 2_500 }).since(0)).toBe(40)
  })

  it('joins short intervals: however often it is looked, it keeps a bounded number, and loses nothing', () => {
    const arrivals = arrivalsOf(Array(20_000).fill(1), { everyMs: 1, rememberMs: 20_000 })
    expect(arrivals.since(0)).toBe(20_000)
    expect(arrivals.since(19_000)).toBeCloseTo(1_000, 6)
  })
})

describe('when a task arrived', () => {
  it('is told by how many came after it', () => {
    const arrivals = arrivalsOf([10, 20, 40])
    expect(arrivals.arrivalOf(0)).toBe(3_000)
    expect(arrivals.arrivalOf(20)).toBe(2_500)
    expect(arrivals.arrivalOf(50)).toBe(1_500)
    expect(arrivals.arrivalOf(70)).toBeUndefined()
  })

  it('law: of those that came since then, there are as many', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (counts, share) => {
          const arrivals = arrivalsOf(counts)
          const newer = Math.floor(share * counts.reduce((sum, count) => sum + count, 0))
          const at = arrivals.arrivalOf(newer)
          if (at !== undefined) expect(arrivals.since(at)).toBeCloseTo(newer, 6)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('what is to be expected', () => {
  it('a steady stream: its rate, and a spread that shrinks to none', () => {
    const arrivals = arrivalsOf(Array(20_000).fill(5))
    expect(arrivals.perSecond).toBeCloseTo(5, 6)
    expect(arrivals.expected(10_000, 0)).toBeCloseTo(50, 6)
    expect(arrivals.expected(10_000, 3)).toBeLessThan(51)
    expect(arrivals.expected(0, 3)).toBe(0)
    expect(new RecentArrivals(1_000).expected(10_000, 3)).toBe(0)
  })

  it('a step in the rate is followed to 63% within 90 s', () => {
    const arrivals = arrivalsOf([...Array(1_000).fill(0), ...Array(90).fill(10)])
    expect(arrivals.perSecond).toBeCloseTo(6.32, 1)
  })

  it('a stream that comes in lumps of ten has a spread of about ten', () => {
    // One lump in every tenth second, at a mean of 1/s.
    const arrivals = arrivalsOf(Array.from({ length: 40_000 }, (_, index) => (index % 10 === 0 ? 10 : 0)))
    const deviation = arrivals.expected(100_000, 1) - arrivals.expected(100_000, 0)
    expect(deviation ** 2 / arrivals.expected(100_000, 0)).toBeGreaterThan(6)
    expect(deviation ** 2 / arrivals.expected(100_000, 0)).toBeLessThan(12)
  })

  it('one odd interval is no law: the spread grows by twenty-fold steps at most', () => {
    const arrivals = arrivalsOf([...Array(20_000).fill(1), 100_000])
    const level = arrivals.perSecond
    const deviation = arrivals.expected(1_000, 1) - level
    expect(deviation ** 2 / level).toBeLessThan(0.1)
  })

  it('an interval without length says nothing', () => {
    const arrivals = new RecentArrivals(1_000)
    arrivals.add(5, 5, 100)
    expect([arrivals.perSecond, arrivals.since(0)]).toEqual([0, 0])
  })
})
