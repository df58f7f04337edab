import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DrainMeter } from './drain-meter.ts'

describe('DrainMeter', () => {
  it('knows nothing until two samples were taken', () => {
    const meter = new DrainMeter()
    expect(meter.ageMs(5)).toBe(Number.POSITIVE_INFINITY)
    meter.sample(0, 100)
    expect(meter.perSecond).toBeUndefined()
    meter.sample(500, 125)
    expect(meter.perSecond).toBe(50)
    expect(meter.ageMs(700)).toBe(200)
  })

  it('law: stays between the least and the greatest measured rate, and is exact for a constant one', () => {
    const steps = fc.array(fc.record({ dt: fc.integer({ min: 1, max: 5_000 }), left: fc.nat(1_000) }), {
      minLength: 1,
      maxLength: 50,
    })
    fc.assert(
      fc.property(steps, (intervals) => {
        const meter = new DrainMeter()
        let now = 0
        let finished = 7
        meter.sample(now, finished)
        for (const { dt, left } of intervals) {
          now += dt
          finished += left
          meter.sample(now, finished)
        }
        const measured = intervals.map(({ dt, left }) => (1_000 * left) / dt)
        expect(meter.perSecond).toBeGreaterThanOrEqual(Math.min(...measured) - 1e-9)
        expect(meter.perSecond).toBeLessThanOrEqual(Math.max(...measured) + 1e-9)
      }),
      { numRuns: 1_000 },
    )
  })

  it('does not count the time between two bursts', () => {
    const meter = new DrainMeter()
    meter.sample(0, 0)
    meter.sample(1_000, 50)
    meter.sample(3_600_000, 60)
    expect(meter.perSecond).toBe(50)
    meter.sample(3_601_000, 110)
    expect(meter.perSecond).toBe(50)
  })

  it('follows a step to 63% within its time constant', () => {
    const meter = new DrainMeter()
    meter.sample(0, 0)
    meter.sample(1_000, 0)
    for (let ms = 1_100; ms <= 4_000; ms += 100) meter.sample(ms, (ms - 1_000) / 10)
    expect(meter.perSecond).toBeCloseTo(100 * (1 - Math.exp(-1)), 6)
  })
})
