import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IDLE_MS, Pacer, TOLERANCE_MS } from './pacer.ts'
import { mostInWindow } from '../replay/figures.ts'

/** Starts with a standing backlog: each as early as the pacer allows, but late by what `lateness` says. */
function starts(pacer: Pacer, lateness: readonly number[], from = 0): number[] {
  const at: number[] = []
  let now = from
  for (const late of lateness) {
    now = Math.max(now, pacer.nextAt) + late
    pacer.take(now)
    at.push(now)
  }
  return at
}

const rates = fc.double({ min: 0.01, max: 50_000, noNaN: true })
const latenesses = fc.array(
  fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 500, noNaN: true })),
  {
    minLength: 2,
    maxLength: 400,
  },
)

describe('Pacer', () => {
  it('law: in any window W it starts at most 1 + floor(r (W + tau))', () => {
    fc.assert(
      fc.property(
        rates,
        latenesses,
        fc.double({ min: 0.1, max: 5_000, noNaN: true }),
        fc.nat(1_000),
        (perSecond, lateness, windowMs, rampMs) => {
          const at = starts(new Pacer({ perSecond, rampMs }), lateness)
          const bound = 1 + Math.floor((perSecond * (windowMs + TOLERANCE_MS)) / 1_000 + 1e-6)
          expect(mostInWindow(at, windowMs)).toBeLessThanOrEqual(bound)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('law: lateness within the tolerance costs nothing, so the mean is exact', () => {
    fc.assert(
      fc.property(
        rates,
        fc.array(fc.double({ min: 0, max: TOLERANCE_MS, noNaN: true }), { minLength: 10, maxLength: 300 }),
        (perSecond, lateness) => {
          const interval = 1_000 / perSecond
          // A start may not be later than its slot by more than the tolerance: lateness here is measured from the slot.
          const pacer = new Pacer({ perSecond, rampMs: 0 })
          lateness.forEach((late, index) => {
            const slot = index * interval
            const now = Math.max(slot + late, Math.max(0, pacer.nextAt))
            pacer.take(now)
          })
          expect(pacer.nextAt).toBeGreaterThanOrEqual(
            lateness.length * interval - 1e-6 * lateness.length * interval - 1e-6,
          )
          expect(pacer.nextAt).toBeLessThanOrEqual(
            lateness.length * interval + TOLERANCE_MS + 1e-6 * lateness.length * interval,
          )
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('releases no burst after a stall: of 300 ms only the tolerance is made up for', () => {
    const pacer = new Pacer({ perSecond: 1_000, rampMs: 0 })
    starts(pacer, new Array(100).fill(0))
    const stalled = pacer.nextAt + 300
    let burst = 0
    while (pacer.nextAt <= stalled) {
      pacer.take(stalled)
      burst++
    }
    expect(burst).toBe(TOLERANCE_MS + 1)
  })

  it('ramps up when fresh, after idleness, a rest and a hold, and is exact afterwards', () => {
    const perSecond = 100
    const pacer = new Pacer({ perSecond, rampMs: 500 })
    const countIn = (from: number, ms: number) => {
      let count = 0
      while (Math.max(pacer.nextAt, from) < from + ms) {
        pacer.take(Math.max(pacer.nextAt, from))
        count++
      }
      return count
    }
    expect(countIn(0, 500)).toBe(28) // 0.55 of 50, and the first
    expect(countIn(500, 1_000)).toBe(100)
    const idleEnd = 1_500 + IDLE_MS + 100
    expect(countIn(idleEnd, 500)).toBe(28)
    pacer.rest()
    expect(countIn(idleEnd + 500, 500)).toBe(28)
    pacer.hold(idleEnd + 3_000)
    expect(countIn(idleEnd + 1_000, 2_000)).toBe(0)
    expect(countIn(idleEnd + 3_000, 500)).toBe(28)
  })

  const cost = fc.double({ min: 0.1, max: 100, noNaN: true })
  const costs = fc.array(cost, { minLength: 2, maxLength: 100 })

  /** Starts of these costs as early as the pacer allows, the n-th late by `lateness[n]`. */
  function costly(pacer: Pacer, all: readonly number[], lateness: readonly number[]): { at: number; cost: number }[] {
    let now = 0
    return all.map((one, index) => {
      now = Math.max(now, pacer.nextAt) + (lateness[index % lateness.length] ?? 0)
      pacer.take(now, one)
      return { at: now, cost: one }
    })
  }

  it('law: the starts in any window W cost at most the last one, the burst and r (W + tau)', () => {
    const windows = fc.double({ min: 0.1, max: 5_000, noNaN: true })
    fc.assert(
      fc.property(rates, costs, fc.nat(50), latenesses, windows, (perSecond, all, burst, lateness, windowMs) => {
        const starts = costly(new Pacer({ perSecond, burst, rampMs: 0 }), all, lateness)
        for (const [first, { at }] of starts.entries()) {
          const within = starts.slice(first).filter((start) => start.at < at + windowMs)
          const before = within.slice(0, -1).reduce((sum, start) => sum + start.cost, 0)
          expect(before).toBeLessThanOrEqual((burst + (perSecond * (windowMs + TOLERANCE_MS)) / 1_000) * (1 + 1e-9))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('a burst goes at once after a rest, and only as much as was stated; a hold leaves none', () => {
    const pacer = new Pacer({ perSecond: 10, burst: 3, rampMs: 500 })
    const atOnce = (now: number) => {
      let count = 0
      for (; pacer.nextAt <= now; count++) pacer.take(now, 1, 0)
      return count
    }
    expect(atOnce(0)).toBe(4)
    expect(pacer.nextAt).toBeCloseTo(100)
    expect(atOnce(250)).toBe(2)
    expect(atOnce(5_000)).toBe(4)
    pacer.hold(20_000)
    pacer.change({ perSecond: 20, burst: 5, rampMs: 500 }, 6_000)
    expect(pacer.nextAt).toBeCloseTo(20_000)
    expect(atOnce(20_000)).toBe(1)
  })

  it('books a charge, and takes back what will not happen', () => {
    const pacer = new Pacer({ perSecond: 10, rampMs: 0 })
    pacer.charge(3, 1_000)
    expect(pacer.nextAt).toBe(1_300)
    pacer.take(1_300, 2)
    expect(pacer.nextAt).toBe(1_500)
    pacer.giveBack(2)
    expect(pacer.nextAt).toBe(1_300)
    expect(pacer.heldUntil(0)).toBe(1_000)
    expect(pacer.heldUntil(1_000)).toBe(Number.NEGATIVE_INFINITY)
  })

  it('changes its rate without a jump or a stall', () => {
    fc.assert(
      fc.property(
        rates,
        rates,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1_000),
        (before, after, share, rampMs) => {
          const pacer = new Pacer({ perSecond: before, rampMs })
          pacer.take(0)
          const now = share * pacer.nextAt
          const left = pacer.nextAt - now
          pacer.change({ perSecond: after, rampMs }, now)
          expect(pacer.nextAt - now).toBeCloseTo((left * before) / after, 6)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('leaves slots that were taken ahead where they are: only the interval after the last one changes', () => {
    const pacer = new Pacer({ perSecond: 100, rampMs: 0 })
    for (const slot of [0, 10, 20, 30]) pacer.take(slot, 1, 0)
    expect(pacer.nextAt).toBe(40)
    pacer.change({ perSecond: 10, rampMs: 0 }, 0)
    expect(pacer.nextAt).toBe(130)
  })

  it('keeps a hold over a change of rate, and a longer hold over a shorter one', () => {
    const pacer = new Pacer({ perSecond: 10, rampMs: 0 })
    pacer.take(0)
    pacer.hold(5_000)
    pacer.hold(3_000)
    pacer.change({ perSecond: 1_000, rampMs: 0 }, 100)
    expect(pacer.nextAt).toBe(5_000)
  })

  it('tells how many starts fit, as many as then happen', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 1_000, noNaN: true }),
        fc.double({ min: 0, max: 1_000, noNaN: true }),
        (perSecond, span) => {
          const pacer = new Pacer({ perSecond, rampMs: 0 })
          pacer.take(0)
          const now = pacer.nextAt / 2
          const told = pacer.startsUntil(now + span, now)
          let happened = 0
          while (pacer.nextAt <= now + span + 1e-9) {
            pacer.take(Math.max(now, pacer.nextAt))
            happened++
          }
          expect(Math.abs(told - happened)).toBeLessThanOrEqual(happened > 500 ? 1 : 0)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('without a limit everything may start at once, and a hold still holds', () => {
    const pacer = new Pacer({ perSecond: Number.POSITIVE_INFINITY, rampMs: 500 })
    pacer.take(10)
    pacer.take(10)
    expect(pacer.startsUntil(10, 10)).toBe(Number.POSITIVE_INFINITY)
    pacer.hold(50)
    expect(pacer.startsUntil(49, 10)).toBe(0)
    pacer.take(50)
    pacer.take(50)
  })

  it('refuses a rate that is not above 0, and a start before its time', () => {
    for (const perSecond of [0, -1, Number.NaN]) expect(() => new Pacer({ perSecond, rampMs: 0 })).toThrow(/above 0/)
    const pacer = new Pacer({ perSecond: 1, rampMs: 0 })
    pacer.take(0)
    expect(() => pacer.take(999)).toThrow(/too early/)
  })
})
