import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fullJitter } from './backoff.ts'

it('law: from 0 up to min(cap, base 2^(n-1)), in proportion to chance', () => {
  const chance = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      chance,
      fc.nat(10_000),
      fc.nat(1_000_000),
      (retry, share, baseMs, capMs) => {
        const delay = fullJitter(retry, share, { baseMs, capMs })
        const ceiling = retry > 60 ? (baseMs === 0 ? 0 : capMs) : Math.min(capMs, baseMs * 2 ** (retry - 1))
        expect(delay).toBe(share * ceiling)
      },
    ),
    { numRuns: 1_000 },
  )
})
