import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mostInWindow } from '../replay/figures.ts'
import { nextAfterChange, nextAfterGrant, opensAt, sameSettings } from './key-limits.ts'
import { TOLERANCE_MS } from './pacer.ts'

const RUNS = { numRuns: 1_000 }
const perSecond = fc.double({ min: 0.1, max: 1_000, noNaN: true })
const waits = fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { maxLength: 80 })

describe('a key’s limits', () => {
  it('law: grants(W) <= 1 + floor(r (W + tau)), whenever it is asked', () => {
    fc.assert(
      fc.property(perSecond, waits, fc.double({ min: 1, max: 500, noNaN: true }), (rate, spans, windowMs) => {
        const grants: number[] = []
        let [now, nextAt] = [0, 0]
        for (const span of spans) {
          now += span
          // As many as may be at this very time.
          while (opensAt({ inFlight: 0, nextAt }, { perSecond: rate }) <= now) {
            grants.push(now)
            nextAt = nextAfterGrant(nextAt, { perSecond: rate }, now)
          }
        }
        const bound = 1 + Math.floor((rate * (windowMs + TOLERANCE_MS)) / 1_000 + 1e-6)
        expect(mostInWindow(grants, windowMs)).toBeLessThanOrEqual(bound)
      }),
      RUNS,
    )
  })

  it('law: who asks late by at most tau loses nothing of the rate', () => {
    const late = fc.array(fc.double({ min: 0, max: TOLERANCE_MS, noNaN: true }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 200, noNaN: true }), late, (rate, lateness) => {
        let nextAt = nextAfterGrant(0, { perSecond: rate }, 1_000)
        const start = nextAt
        for (const ms of lateness) nextAt = nextAfterGrant(nextAt, { perSecond: rate }, nextAt + ms)
        expect(nextAt - start).toBeCloseTo((lateness.length * 1_000) / rate, 3)
      }),
      RUNS,
    )
  })

  it('law: after a change nobody waits longer than the new interval, and nobody longer than before', () => {
    fc.assert(
      fc.property(perSecond, perSecond, fc.double({ min: 0, max: 1e6, noNaN: true }), (before, rate, now) => {
        const nextAt = nextAfterGrant(0, { perSecond: before }, now)
        const changed = nextAfterChange(nextAt, { perSecond: rate }, now)
        expect(changed).toBeLessThanOrEqual(nextAt)
        expect(changed).toBeLessThanOrEqual(now + 1_000 / rate)
        expect(opensAt({ inFlight: 9, nextAt }, {})).toBeLessThanOrEqual(now)
        // A consumer without limits in between gives nobody a grant too early.
        expect(nextAfterChange(nextAfterGrant(nextAt, {}, now), {}, now)).toBe(nextAt)
      }),
      RUNS,
    )
  })

  it('a key at its concurrency waits for one of its tasks to end, whatever its rate', () => {
    expect(opensAt({ inFlight: 2, nextAt: 0 }, { concurrency: 2 })).toBe(Number.POSITIVE_INFINITY)
    expect(opensAt({ inFlight: 1, nextAt: 70 }, { concurrency: 2, perSecond: 10 })).toBe(70)
    expect(opensAt({ inFlight: 1_000, nextAt: 0 }, {})).toBe(0)
  })

  it('tells whether settings differ', () => {
    expect(sameSettings({}, { concurrency: undefined } as object)).toBe(true)
    expect(sameSettings({ concurrency: 1 }, { concurrency: 1, perSecond: 2 })).toBe(false)
  })
})
