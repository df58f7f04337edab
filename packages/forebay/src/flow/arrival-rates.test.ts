import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ArrivalRates } from './arrival-rates.ts'

describe('ArrivalRates', () => {
  it('law: of a steady stream it tells the rate, to within one arrival in three seconds, and nothing of kinds below', () => {
    const streams = fc.record({ perSecond: fc.integer({ min: 1, max: 500 }), kind: fc.integer({ min: -50, max: 50 }) })
    fc.assert(
      fc.property(streams, ({ perSecond, kind }) => {
        const rates = new ArrivalRates()
        const arrivals = 12 * perSecond
        for (let n = 1; n <= arrivals; n++) rates.note(kind, (1_000 * n) / perSecond)
        const now = (1_000 * arrivals) / perSecond
        expect(Math.abs(rates.perSecondAbove(kind - 1, now) - perSecond)).toBeLessThanOrEqual(perSecond * 0.02 + 1 / 3)
        expect(rates.perSecondAbove(kind, now)).toBe(0)
        expect(rates.perSecondAbove(kind - 1, now + 9_000)).toBeLessThan(perSecond * 0.06 + 0.1)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: several kinds add up, and the order in which they come does not matter', () => {
    const arrivals = fc.array(fc.record({ kind: fc.integer({ min: 0, max: 5 }), gap: fc.nat(500) }), { maxLength: 40 })
    fc.assert(
      fc.property(arrivals, (all) => {
        const together = new ArrivalRates()
        const apart = [0, 1, 2, 3, 4, 5].map(() => new ArrivalRates())
        let now = 0
        for (const { kind, gap } of all) {
          now += gap
          together.note(kind, now)
          apart[kind]?.note(kind, now)
        }
        const sum = apart.slice(3).reduce((total, rates) => total + rates.perSecondAbove(2, now), 0)
        expect(together.perSecondAbove(2, now)).toBeCloseTo(sum, 9)
      }),
      { numRuns: 1_000 },
    )
  })

  it('remembers a bounded number of kinds: the latest', () => {
    const rates = new ArrivalRates()
    for (let kind = 0; kind < 5_000; kind++) rates.note(kind, 0)
    expect(rates.perSecondAbove(-1, 0)).toBeCloseTo(100 / 3, 6)
    expect(rates.perSecondAbove(4_899, 0)).toBeCloseTo(100 / 3, 6)
  })
})
