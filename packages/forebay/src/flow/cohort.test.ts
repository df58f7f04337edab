import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cohort } from './cohort.ts'

const BEGAN = 1_000

/** A cohort of attempts that start a millisecond apart and took these times; the last `running` have not ended. */
function cohortOf(latencies: readonly number[], running = 0, failed = 0): Cohort {
  const cohort = new Cohort(BEGAN, latencies.length + running)
  for (let start = 1; start <= latencies.length + running; start++) cohort.started(BEGAN + start)
  latencies.forEach((latencyMs, index) => {
    const startedAt = BEGAN + index + 1
    const result = index < failed ? 'failed' : 'ok'
    cohort.ended({ startedAt, at: startedAt + latencyMs, result, inFlight: 5 + (index % 3) }, 0)
  })
  return cohort
}

/** Winsor's mean and squared cv of these, of `all` of which those that are missing are the longest. */
function winsor(latencies: readonly number[], all: number): { readonly mean: number; readonly spread: number } {
  const sorted = [...latencies].sort((a, b) => a - b)
  const counted = Math.min(sorted.length, Math.ceil(0.9 * all))
  const cut = sorted[counted - 1] as number
  const values = Array.from({ length: all }, (_, index) => (index < counted ? (sorted[index] as number) : cut))
  const mean = values.reduce((sum, value) => sum + value, 0) / all
  const squares = values.reduce((sum, value) => sum + (value / mean - 1) ** 2, 0) / all
  return { mean, spread: squares / 0.81 }
}

const latency = fc.double({ min: 0.01, max: 100_000, noNaN: true })

describe('Cohort', () => {
  it('law: measured once nine of ten have ended, by the mean with the longest tenth cut', () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 200 }), fc.nat(30), (latencies, running) => {
        const all = latencies.length + running
        const measured = cohortOf(latencies, running).measured(BEGAN + 1_000)
        if (latencies.length < 0.9 * all) {
          expect(measured).toBeUndefined()
          return
        }
        const { mean, spread } = winsor(latencies, all)
        expect(measured).toMatchObject({ attempts: all, failures: 0, mostInFlight: Math.min(7, 4 + latencies.length) })
        expect((measured?.latencyMs ?? 0) / mean).toBeCloseTo(1, 9)
        expect(measured?.spread).toBeCloseTo(spread, 6)
        expect(measured?.load).toBeGreaterThanOrEqual(5)
        expect(measured?.load).toBeLessThanOrEqual(6)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: a queue that lengthens all alike lengthens the latency by as much, and leaves its scatter', () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 10, maxLength: 100 }), latency, (latencies, queueMs) => {
        const before = cohortOf(latencies).measured(BEGAN)
        const after = cohortOf(latencies.map((one) => one + queueMs)).measured(BEGAN)
        if (!before || !after) throw new Error('not measured')
        expect((after.latencyMs - queueMs) / before.latencyMs).toBeCloseTo(1, 4)
        expect((after.spread * after.latencyMs ** 2) / before.latencyMs ** 2).toBeCloseTo(before.spread, 4)
      }),
      { numRuns: 1_000 },
    )
  })

  it('takes what starts after it began, as many as it wants, and not those that leave', () => {
    const cohort = new Cohort(BEGAN, 2)
    cohort.started(BEGAN)
    expect([cohort.isClosed, cohort.has(BEGAN)]).toEqual([false, false])
    cohort.started(BEGAN + 1)
    cohort.started(BEGAN + 2)
    cohort.started(BEGAN + 3)
    expect([BEGAN + 1, BEGAN + 2, BEGAN + 3].map((at) => cohort.has(at))).toEqual([true, true, false])
    expect(cohort.isClosed).toBe(true)
    cohort.leaves()
    cohort.ended({ startedAt: BEGAN + 2, at: BEGAN + 12, result: 'ok', inFlight: 1 }, 0)
    expect(cohort.measured(BEGAN + 12)).toMatchObject({ attempts: 1, latencyMs: 10 })
  })

  it('where starts are rare it makes do with five, after three round trips and at least five seconds', () => {
    const after = (ended: number, waitMs: number, latencyMs = 100) => {
      const cohort = new Cohort(BEGAN, 100)
      for (let start = 1; start <= ended; start++) {
        cohort.started(BEGAN + start)
        cohort.ended({ startedAt: BEGAN + start, at: BEGAN + start + latencyMs, result: 'ok', inFlight: 1 }, 0)
      }
      return cohort.measured(BEGAN + waitMs)?.attempts
    }
    expect([after(5, 5_001), after(5, 5_000), after(4, 50_000)]).toEqual([5, undefined, undefined])
    expect([after(5, 30_001, 10_000), after(5, 30_000, 10_000)]).toEqual([5, undefined])
  })

  it('counts failures, which are no sooner than the downstream is quick, and what a sample says that it took', () => {
    const cohort = new Cohort(BEGAN, 2)
    cohort.started(BEGAN + 1)
    cohort.started(BEGAN + 1)
    cohort.ended({ startedAt: BEGAN + 1, at: BEGAN + 2, result: 'failed', inFlight: 1 }, 50)
    cohort.ended({ startedAt: BEGAN + 1, at: BEGAN + 2, result: 'ok', inFlight: 1, latencyMs: 30 }, 50)
    expect(cohort.measured(BEGAN + 2)).toMatchObject({ attempts: 2, failures: 1, latencyMs: 40 })
  })

  it('measures a thousand as it measures ten thousand', () => {
    const latencies = Array.from({ length: 10_000 }, (_, index) => 100 + ((index * 7_919) % 1_000))
    const measured = cohortOf(latencies).measured(BEGAN)
    expect(measured?.attempts).toBe(10_000)
    expect(Math.abs((measured?.latencyMs ?? 0) / winsor(latencies, 10_000).mean - 1)).toBeLessThan(0.02)
  })
})
