import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fluidBound } from './fluid.ts'
import { waitsBehind } from './paced-servers.ts'

const load = fc.array(fc.tuple(fc.nat(400), fc.nat(900)), { minLength: 1, maxLength: 60 }).map((steps) => {
  let time = 0
  return { arrivalsMs: steps.map(([gap]) => (time += gap)), serviceMs: steps.map(([, service]) => service) }
})

describe('waitsBehind', () => {
  it('lets two of four that come at once start, and the others as those end', () => {
    const waits = waitsBehind([0, 0, 0, 0], [100, 300, 50, 50], { ratePerSecond: Number.POSITIVE_INFINITY, servers: 2 })
    expect([...waits]).toEqual([0, 0, 100, 150])
  })

  it('keeps starts apart by the rate, whatever is free', () => {
    expect([...waitsBehind([0, 0, 0], [1, 1, 1], { ratePerSecond: 10, servers: 9 })]).toEqual([0, 100, 200])
  })

  it('is the fluid bound where there are servers enough', () => {
    fc.assert(
      fc.property(load, fc.integer({ min: 1, max: 50 }), ({ arrivalsMs, serviceMs }, ratePerSecond) => {
        const waits = waitsBehind(arrivalsMs, serviceMs, { ratePerSecond, servers: Number.POSITIVE_INFINITY })
        const { waitsMs } = fluidBound(arrivalsMs, ratePerSecond)
        waits.forEach((wait, k) => expect(wait).toBeCloseTo(waitsMs[k] as number, 6))
      }),
      { numRuns: 1_000 },
    )
  })

  // The definition, by looking at all that were served before.
  it('never serves more than c at once, and starts as soon as that and the rate allow', () => {
    fc.assert(
      fc.property(
        load,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 30 }),
        (given, servers, ratePerSecond) => {
          const { arrivalsMs, serviceMs } = given
          const waits = waitsBehind(arrivalsMs, serviceMs, { ratePerSecond, servers })
          const starts = [...waits].map((wait, k) => (arrivalsMs[k] as number) + wait)
          starts.forEach((start, k) => {
            const ends = starts.slice(0, k).map((s, j) => s + (serviceMs[j] as number))
            expect(ends.filter((end) => end > start).length).toBeLessThan(servers)
            const reasons = [
              arrivalsMs[k] as number,
              (starts[k - 1] ?? Number.NEGATIVE_INFINITY) + 1_000 / ratePerSecond,
              ...ends,
            ]
            expect(reasons.some((reason) => Math.abs(reason - start) < 1e-6)).toBe(true)
          })
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it.each([
    [{ ratePerSecond: 0, servers: 1 }, 'rate'],
    [{ ratePerSecond: 1, servers: 0 }, 'concurrency'],
  ])('refuses %j', (servers, named) => {
    expect(() => waitsBehind([0], [1], servers)).toThrow(named)
  })
})
