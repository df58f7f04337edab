import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ServiceTimes } from './service-times.ts'

const after = (times: readonly number[]) => {
  const service = new ServiceTimes()
  for (const ms of times) service.add(ms)
  return service
}

describe('service times', () => {
  it('know nothing before the first', () => {
    expect([new ServiceTimes().meanMs, new ServiceTimes().deviationMs]).toEqual([undefined, 0])
  })

  it('law: mean and deviation of up to 500 are exact', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 500 }), (times) => {
        const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
        const variance = times.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / times.length
        expect(after(times).meanMs).toBeCloseTo(mean, 5)
        expect(after(times).deviationMs).toBeCloseTo(Math.sqrt(variance), 5)
      }),
      { numRuns: 1_000 },
    )
  })

  it('follow a change: after 500 more, 63% of the way', () => {
    const service = after([...Array(10_000).fill(100), ...Array(500).fill(200)])
    expect(service.meanMs).toBeCloseTo(163.2, 0)
    expect(service.deviationMs).toBeCloseTo(48.2, 0)
  })
})
