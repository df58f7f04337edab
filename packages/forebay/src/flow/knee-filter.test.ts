import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KneeFilter } from './knee-filter.ts'

/** Latencies of a downstream with a knee, as the model has them but for the noise; a fixed sequence stands for chance. */
function latencyOf(load: number, knee: number, baseMs: number): number {
  const sharpness = Math.min(30, Math.max(3, 2 * Math.sqrt(knee)))
  return baseMs * (1 + (load / knee) ** sharpness) ** (1 / sharpness)
}

const knees = fc.double({ min: 2, max: 400, noNaN: true })
const bases = fc.double({ min: 0.01, max: 60_000, noNaN: true })
const noise = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 })

describe('KneeFilter', () => {
  it('law: two loads below and two above the knee find it, and the latency without a queue', () => {
    fc.assert(
      fc.property(knees, bases, noise, (knee, baseMs, noise) => {
        const filter = new KneeFilter(1_000, 10)
        const loads = [0.3, 0.6, 1.6, 3].map((share) => share * knee)
        noise.forEach((off, window) => {
          const load = loads[window % loads.length] as number
          filter.see(window * 1_000, load, latencyOf(load, knee, baseMs) * (1 + 0.03 * off), 0.03)
        })
        expect(filter.knee(0.5) / knee).toBeGreaterThan(0.85)
        expect(filter.knee(0.5) / knee).toBeLessThan(1.18)
        expect(filter.baseMs / baseMs).toBeGreaterThan(0.9)
        expect(filter.baseMs / baseMs).toBeLessThan(1.1)
        expect(filter.knee(0.9) / filter.knee(0.1)).toBeLessThan(1.5)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: only ratios of latencies matter', () => {
    const window = fc.record({
      afterMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
      load: fc.double({ min: 1, max: 300, noNaN: true }),
      latencyMs: fc.double({ min: 1, max: 1_000, noNaN: true }),
      error: fc.double({ min: 0.02, max: 0.5, noNaN: true }),
    })
    const times = fc.double({ min: 1e-3, max: 1e3, noNaN: true })
    fc.assert(
      fc.property(fc.array(window, { minLength: 1, maxLength: 12 }), times, (windows, times) => {
        const [one, other] = [new KneeFilter(300, 10), new KneeFilter(300, 10)]
        let at = 0
        for (const { afterMs, load, latencyMs, error } of windows) {
          at += afterMs
          const surprise = one.see(at, load, latencyMs, error)
          expect((1 + other.see(at, load, latencyMs * times, error)) / (1 + surprise)).toBeCloseTo(1, 5)
          expect(surprise).toBeGreaterThanOrEqual(0)
        }
        for (const share of [0.1, 0.5, 0.9]) expect(other.knee(share) / one.knee(share)).toBeCloseTo(1, 3)
        expect(other.baseMs / one.baseMs / times).toBeCloseTo(1, 5)
        expect(one.knee(0.1)).toBeLessThanOrEqual(one.knee(0.5))
        expect(one.knee(0.5)).toBeLessThanOrEqual(one.knee(0.9))
      }),
      { numRuns: 1_000 },
    )
  })

  it('one latency alone leaves open where the knee is, and so do many at one load', () => {
    const filter = new KneeFilter(1_000, 10)
    expect(filter.baseMs).toBe(0)
    const before = filter.knee(0.5)
    for (let window = 0; window < 20; window++) filter.see(0, 20, 100, 0.05)
    expect(filter.knee(0.5) / before).toBeCloseTo(1, 1)
    expect(filter.knee(0.9) / filter.knee(0.1)).toBeGreaterThan(20)
  })

  it('a latency in proportion to the load says that the knee is below, one that stays that it is above', () => {
    const [queued, free] = [new KneeFilter(1_000, 10), new KneeFilter(1_000, 10)]
    for (const [window, load] of [20, 40, 80].entries()) {
      queued.see(window, load, 5 * load, 0.03)
      free.see(window, load, 100, 0.03)
    }
    expect(queued.knee(0.95)).toBeLessThan(22)
    expect(free.knee(0.05)).toBeGreaterThan(72)
  })

  it('what was seen fades: an hour later a knee is less certain, and the same one the most likely', () => {
    const filter = new KneeFilter(1_000, 10)
    for (const [window, load] of [10, 20, 40, 80].entries()) filter.see(window, load, latencyOf(load, 30, 100), 0.02)
    const width = () => filter.knee(0.9) / filter.knee(0.1)
    const [sharp, middle] = [width(), filter.knee(0.5)]
    filter.see(3_600_000, 31, latencyOf(31, 30, 100), 0.02)
    expect(width()).toBeGreaterThan(1.5 * sharp)
    expect(filter.knee(0.5) / middle).toBeCloseTo(1, 0)
  })

  it('a jump of the latency is believed, and the loads tell whether the knee moved', () => {
    const seen = (after: readonly (readonly [number, number])[]) => {
      const filter = new KneeFilter(1_000, 10)
      for (const [window, load] of [10, 20, 40, 80, 20].entries()) {
        filter.see(window * 1_000, load, latencyOf(load, 30, 100), 0.03)
      }
      const surprises = after.map(([load, latencyMs], window) =>
        filter.see(6_000 + window * 1_000, load, latencyMs, 0.03),
      )
      return { knee: filter.knee(0.5), baseMs: filter.baseMs, surprises }
    }
    const slower = [32, 16, 48, 24].map((load) => [load, latencyOf(load, 30, 250)] as const)
    const fewer = [32, 16, 48, 24].map((load) => [load, latencyOf(load, 12, 100)] as const)
    expect(seen(slower).knee / 30).toBeCloseTo(1, 0)
    expect(seen(slower).baseMs / 250).toBeCloseTo(1, 0)
    expect(seen(fewer).knee / 12).toBeCloseTo(1, 0)
    expect(seen(fewer).baseMs / 100).toBeCloseTo(1, 0)
    expect(seen(slower).surprises[0]).toBeGreaterThan(20)
    expect(seen([[32, latencyOf(32, 30, 100)]]).surprises[0]).toBeLessThan(4)
  })

  it('stays a number whatever it is shown', () => {
    const filter = new KneeFilter(1, 1)
    for (const latencyMs of [1e-3, 1e9, 1e-3, 5]) {
      const surprise = filter.see(0, 1e4, latencyMs, 1e-6)
      expect(surprise).not.toBeNaN()
      expect(Number.isFinite(filter.knee(0.5) + filter.baseMs)).toBe(true)
    }
  })

  /** Forty windows over loads on both sides of a knee at 30, ten milliseconds apart. */
  function settled(): KneeFilter {
    const filter = new KneeFilter(1_000, 10)
    const loads = [10, 20, 40, 80]
    for (let window = 0; window < 40; window++) {
      const load = loads[window % loads.length] as number
      filter.see(10 * window, load, latencyOf(load, 30, 100), 0.02)
    }
    return filter
  }

  it('a rise of the latency that surprises now is drift a minute later', () => {
    expect(settled().see(500, 10, 115, 0.02)).toBeGreaterThan(20)
    expect(settled().see(60_000, 10, 115, 0.02)).toBeLessThan(3)
  })

  it('the knee drifts as well: the law widens while time passes, also where no jump is in it', () => {
    const widthAfter = (afterMs: number) => {
      const filter = settled()
      // So noisy a window that it says nothing.
      filter.see(afterMs, 10, 100, 0.5)
      return filter.knee(0.7) / filter.knee(0.3)
    }
    expect(widthAfter(30_000)).toBeGreaterThan(1.05 * widthAfter(500))
  })

  it('a latency that may be a jump or chance leaves both open, and the next one decides', () => {
    const filter = settled()
    filter.see(500, 10, 100 * Math.exp(0.1), 0.02)
    filter.see(600, 10, 100 * Math.exp(0.2), 0.02)
    expect(filter.baseMs).toBeGreaterThan(113)
    expect(filter.baseMs).toBeLessThan(125)
  })
})
