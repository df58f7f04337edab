import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readTrace } from '../replay/trace.ts'
import { fluidBound } from './fluid.ts'
import { isKept, parseObjective } from './objective.ts'
import { waitsBehind } from './paced-servers.ts'
import { scaledLoad, slowedLoad } from './scaled-load.ts'
import { leastConcurrency, leastFluidRate, leastRate, roundedUp } from './sizing.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

const load = fc.array(fc.tuple(fc.nat(400), fc.nat(900)), { minLength: 2, maxLength: 60 }).map((steps) => {
  let time = 0
  return {
    arrivalsMs: Float64Array.from(steps, ([gap]) => (time += gap)),
    serviceMs: Float64Array.from(steps, ([, service]) => service),
  }
})

describe('the least rate', () => {
  it('keeps the objective, and a little less breaks it', () => {
    const boundMs = fc.integer({ min: 100, max: 5_000 })
    fc.assert(
      fc.property(load, boundMs, ({ arrivalsMs }, ms) => {
        const objective = parseObjective(`p90 wait < ${ms}ms`)
        const rate = leastFluidRate(arrivalsMs, objective) as number
        expect(isKept(objective, fluidBound(arrivalsMs, rate).waitsMs)).toBe(true)
        if (rate > 1e-3) expect(isKept(objective, fluidBound(arrivalsMs, rate * 0.999).waitsMs)).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })

  it('is nothing where the queue itself takes longer than the objective allows', async () => {
    const { arrivalsMs } = await readTrace(SLICE)
    expect(leastRate(arrivalsMs, parseObjective('p99 wait < 15ms'), 20)).toBeUndefined()
    expect(leastRate(arrivalsMs, parseObjective('p99 wait < 30s'), 20)).toBe(5.07)
  })
})

describe('the least concurrency', () => {
  it('keeps the objective, and one less breaks it', () => {
    fc.assert(
      fc.property(load, fc.integer({ min: 1, max: 2_000 }), (given, ms) => {
        const objective = parseObjective(`max wait < ${ms + 20}ms`)
        const ratePerSecond = 1e6
        const servers = leastConcurrency(given, ratePerSecond, { objective, pickupMs: 20, most: 100 }) as number
        const longest = (c: number) =>
          Math.max(...waitsBehind(given.arrivalsMs, given.serviceMs, { ratePerSecond, servers: c }))
        expect(longest(servers)).toBeLessThanOrEqual(ms)
        if (servers > 1) expect(longest(servers - 1)).toBeGreaterThan(ms)
      }),
      { numRuns: 1_000 },
    )
  })

  it('is nothing where the most is not enough', () => {
    const given = { arrivalsMs: new Float64Array(10), serviceMs: new Float64Array(10).fill(1_000) }
    const options = { objective: parseObjective('max wait < 1.1s'), pickupMs: 0 }
    expect(leastConcurrency(given, 1_000, { ...options, most: 4 })).toBeUndefined()
    expect(leastConcurrency(given, 1_000, { ...options, most: 7 })).toBe(5)
  })
})

describe('roundedUp', () => {
  it.each([
    [4.9, 4.9],
    [4.8901, 4.9],
    [0.012341, 0.0124],
    [1_234.5, 1_240],
    [999.1, 1_000],
  ])('%d in three digits is %d', (value, rounded) => {
    expect(roundedUp(value, 3)).toBe(rounded)
  })
})

describe('scaledLoad', () => {
  const given = { arrivalsMs: Float64Array.of(0, 100, 200, 600), serviceMs: Float64Array.of(1, 2, 3, 4) }

  it('has as many more arrivals in every stretch, in the same time', () => {
    const twice = scaledLoad(given, 2)
    expect([...twice.arrivalsMs]).toEqual([0, 50, 100, 150, 200, 400, 600])
    expect([...twice.serviceMs]).toEqual([1, 1, 2, 2, 3, 3, 4])
    expect([...scaledLoad(given, 0.5).arrivalsMs]).toEqual([0, 200])
    expect(scaledLoad(given, 1)).toEqual(given)
  })

  it('slows each attempt', () => {
    expect([...slowedLoad(given, 1.5).serviceMs]).toEqual([1.5, 3, 4.5, 6])
  })
})
