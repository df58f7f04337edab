import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StartRate } from './start-rate.ts'

it('law: a steady flow has its rate, from the second start on', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 500 }), fc.integer({ min: 1, max: 5_000 }), (starts, everyMs) => {
      const rate = new StartRate()
      for (let start = 0; start < starts; start++) rate.started(1_000 + start * everyMs)
      // Up to the next start, which is as far away.
      expect(rate.perSecond(1_000 + starts * everyMs)).toBeCloseTo(1_000 / everyMs, 9)
    }),
    { numRuns: 1_000 },
  )
})

it('law: a flow that grew is told by its later part: at least half of its starts, at most three quarters', () => {
  const gap = fc.integer({ min: 2, max: 1_000 })
  fc.assert(
    fc.property(fc.array(gap, { minLength: 1, maxLength: 300 }), (gaps) => {
      const rate = new StartRate()
      const times = [0]
      rate.started(0)
      for (const one of gaps) {
        times.push((times.at(-1) as number) + one)
        rate.started(times.at(-1) as number)
      }
      const now = (times.at(-1) as number) + 1
      // The rates since each start of those that may be the mark.
      const candidates = times
        .map((at, index) => ({
          share: (times.length - index) / times.length,
          perSecond: ((times.length - index) * 1_000) / (now - at),
        }))
        .filter(({ share }) => share >= 0.5 && (share <= 0.76 + 1 / times.length || times.length < 4))
      expect(candidates.some(({ perSecond }) => Math.abs(perSecond / rate.perSecond(now) - 1) < 1e-9)).toBe(true)
    }),
    { numRuns: 1_000 },
  )
})

it('is one before the first start, and finite for starts at one time', () => {
  const rate = new StartRate()
  expect(rate.perSecond(0)).toBe(1)
  rate.started(5)
  rate.started(5)
  expect(rate.perSecond(5)).toBe(2_000)
})
