import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exponentialBuckets } from './exponential-buckets.ts'

const layouts = fc.record({
  first: fc.double({ min: 1e-6, max: 10, noNaN: true }),
  factor: fc.double({ min: 1.05, max: 10, noNaN: true }),
  count: fc.integer({ min: 1, max: 60 }),
})

describe('exponentialBuckets', () => {
  it('law: a value is in the first bucket whose bound is not below it', () => {
    const values = fc.double({ min: 0, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(layouts, values, ({ first, factor, count }, value) => {
        const { bounds, of } = exponentialBuckets(first, factor, count)
        const found = bounds.findIndex((bound) => value <= bound)
        expect(of(value)).toBe(found < 0 ? bounds.length : found)
      }),
      { numRuns: 5_000 },
    )
  })

  it('law: a bound itself belongs to its own bucket, and what is just above it to the next', () => {
    fc.assert(
      fc.property(layouts, ({ first, factor, count }) => {
        const { bounds, of } = exponentialBuckets(first, factor, count)
        for (const [index, bound] of bounds.entries()) {
          expect(of(bound)).toBe(index)
          expect(of(bound * (1 + 1e-9))).toBe(index + 1)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('has bounds that print short', () => {
    expect(exponentialBuckets(0.0001, 4, 4).bounds).toEqual([0.0001, 0.0004, 0.0016, 0.0064])
  })
})
