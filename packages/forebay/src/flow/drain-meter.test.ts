import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DrainMeter } from './drain-meter.ts'

describe('DrainMeter', () => {
  it('knows nothing until two samples were taken', () => {
    const meter = new DrainMeter()
    expect(meter.ageMs(5)).toBe(Number.POSITIVE_INFINITY)
    meter.sample(0, 100, true)
    expect(meter.perSecond).toBeUndefined()
    expect(meter.atLeastPerSecond).toBeUndefined()
    meter.sample(500, 125, true)
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
        meter.sample(now, finished, true)
        for (const { dt, left } of intervals) {
          now += dt
          finished += left
          meter.sample(now, finished, true)
        }
        const measured = intervals.map(({ dt, left }) => (1_000 * left) / dt)
        expect(meter.perSecond).toBeGreaterThanOrEqual(Math.min(...measured) - 1e-9)
        expect(meter.perSecond).toBeLessThanOrEqual(Math.max(...measured) * (1 + 1e-9))
      }),
      { numRuns: 1_000 },
    )
  })

  it('does not count the time between two bursts', () => {
    const meter = new DrainMeter()
    meter.sample(0, 0, true)
    meter.sample(1_000, 50, true)
    meter.sample(3_600_000, 60, true)
    expect(meter.perSecond).toBe(50)
    meter.sample(3_601_000, 110, true)
    expect(meter.perSecond).toBeCloseTo(50, 9)
  })

  it('follows a step to 63% within its time constant', () => {
    const meter = new DrainMeter()
    for (let ms = 0; ms <= 30_000; ms += 100) meter.sample(ms, ms / 100, true)
    for (let ms = 100; ms <= 3_000; ms += 100) meter.sample(30_000 + ms, 300 + ms / 10, true)
    expect(meter.perSecond).toBeCloseTo(10 + 90 * (1 - Math.exp(-1)), 0)
  })

  it('is a mean over about twenty departures where they are rare', () => {
    const meter = new DrainMeter()
    // One every five seconds, looked at five times a second.
    const rates: number[] = []
    for (let look = 0; look <= 1_500; look++) {
      meter.sample(look * 200, Math.floor(look / 25), true)
      if (look > 750) rates.push(meter.perSecond as number)
    }
    expect(Math.min(...rates)).toBeGreaterThan(0.17)
    expect(Math.max(...rates)).toBeLessThan(0.25)
  })

  it('takes what leaves a queue without a backlog for a lower bound, and only until it knows better', () => {
    const meter = new DrainMeter()
    meter.sample(0, 0, false)
    meter.sample(1_000, 5, true)
    expect([meter.perSecond, meter.atLeastPerSecond]).toEqual([undefined, 5])
    meter.sample(2_000, 55, true)
    expect([meter.perSecond, meter.atLeastPerSecond]).toEqual([50, 50])
    meter.sample(3_000, 56, false)
    expect(meter.atLeastPerSecond).toBe(50)
  })

  it('believes what is expected until it has measured for a while', () => {
    const meter = new DrainMeter(40)
    expect(meter.perSecond).toBe(40)
    for (let ms = 0; ms <= 1_000; ms += 100) meter.sample(ms, ms / 100, true)
    expect(meter.perSecond).toBeLessThan(25)
    for (let ms = 1_100; ms <= 15_000; ms += 100) meter.sample(ms, ms / 100, true)
    expect(meter.perSecond).toBeCloseTo(10, 0)
  })

  it('is not misled by a redrive, which makes the count fall', () => {
    const meter = new DrainMeter()
    meter.sample(0, 100, true)
    meter.sample(1_000, 150, true)
    meter.sample(1_100, 20, true)
    expect(meter.perSecond).toBeGreaterThan(40)
  })
})
