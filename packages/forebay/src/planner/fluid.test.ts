import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { percentile } from './statistics.ts'
import { readTrace } from '../replay/trace.ts'
import { fluidBound } from './fluid.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

describe('fluidBound', () => {
  it('makes nobody wait while arrivals keep to the rate', () => {
    expect([...fluidBound([0, 100, 200, 300], 10).waitsMs]).toEqual([0, 0, 0, 0])
  })

  it('lines a burst up, one every 1/rate seconds', () => {
    const bound = fluidBound([0, 0, 0, 0], 10)
    expect([...bound.waitsMs]).toEqual([0, 100, 200, 300])
    expect(bound.peakBacklog).toBe(4)
  })

  it('charges each arrival the work of those ahead of it, not its own', () => {
    const bound = fluidBound([0, 0, 1_000], 2, [4, 1, 1])
    expect([...bound.waitsMs]).toEqual([0, 2_000, 1_500])
    expect(bound.peakBacklog).toBe(5)
  })

  it('is nothing for no arrivals', () => {
    expect(fluidBound([], 1)).toEqual({ waitsMs: new Float64Array(0), peakBacklog: 0 })
  })

  it.each([0, -1, Number.NaN])('refuses a rate of %s', (rate) => {
    expect(() => fluidBound([0], rate)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  it('refuses times that go back, and missing work', () => {
    expect(() => fluidBound([5, 4], 1)).toThrow('number 2')
    expect(() => fluidBound([0, 1], 1, [1])).toThrow('arrival 2')
  })

  // The second definition, over all pairs s <= t, against the recursion's one pass.
  it('agrees with the largest A(s, t) - r (t - s) over all intervals', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { maxLength: 40 })
    fc.assert(
      fc.property(gaps, fc.double({ min: 0.5, max: 200, noNaN: true }), (steps, rate) => {
        let time = 0
        const arrivals = steps.map((step) => (time += step))
        let peak = 0
        for (let t = 0; t < arrivals.length; t++) {
          for (let s = 0; s <= t; s++) {
            const span = ((arrivals[t] as number) - (arrivals[s] as number)) / 1_000
            peak = Math.max(peak, t - s + 1 - rate * span)
          }
        }
        expect(fluidBound(arrivals, rate).peakBacklog).toBeCloseTo(peak, 6)
      }),
    )
  })

  it('falls, for every arrival, when the rate rises', () => {
    const gaps = fc.array(fc.nat(300), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), (steps, slow, more) => {
        let time = 0
        const arrivals = steps.map((step) => (time += step))
        const slower = fluidBound(arrivals, slow)
        const faster = fluidBound(arrivals, slow + more)
        arrivals.forEach((_, k) => expect(faster.waitsMs[k]).toBeLessThanOrEqual(slower.waitsMs[k] as number))
        expect(faster.peakBacklog).toBeLessThanOrEqual(slower.peakBacklog)
      }),
    )
  })

  // Figures computed once, apart from this code, for the shipped ten minutes at twenty times their speed.
  it('gives the figures of a real ten minutes', async () => {
    const { arrivalsMs } = await readTrace(SLICE, { speed: 20 })
    const bound = fluidBound(arrivalsMs, 45)
    const sorted = bound.waitsMs.toSorted()
    expect(arrivalsMs).toHaveLength(3_054)
    expect(bound.waitsMs.reduce((sum, wait) => sum + wait, 0) / 3_054).toBeCloseTo(19_455.03, 1)
    expect(percentile(sorted, 0.99)).toBeCloseTo(37_561.11, 1)
    expect(percentile(sorted, 1)).toBeCloseTo(37_851.59, 1)
    expect(bound.peakBacklog).toBeCloseTo(1_704.32, 1)
  })
})
