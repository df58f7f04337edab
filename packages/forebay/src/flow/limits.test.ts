import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { AimdLimit } from './aimd-limit.ts'
import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange } from './concurrency-limit.ts'

const makers = {
  AIMD: (bounds: LimitBounds, initial: number) => new AimdLimit(bounds, initial),
  adaptive: (bounds: LimitBounds, initial: number, chance = () => 0.5) => new AdaptiveLimit(bounds, initial, chance),
}

const boundsOf = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(200)).map(([min, more]) => ({ min, max: min + more }))
const step = fc.record({
  afterMs: fc.double({ min: 0, max: 200, noNaN: true }),
  latencyMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
  result: fc.constantFrom<AttemptSample['result'][]>('ok', 'ok', 'ok', 'failed', 'refused', 'unknown'),
  used: fc.double({ min: 0, max: 1, noNaN: true }),
  times: fc.integer({ min: 1, max: 60 }),
})
/** The filter costs some microseconds a cohort, and a starved machine makes many of a thousand cases. */
const PATIENTLY = { timeout: 60_000 }

/** Feeds the steps, each `times` over, as attempts that run side by side. */
function feed(
  limit: ConcurrencyLimit,
  steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
  look: (change: LimitChange | undefined, before: number) => void,
  from = 10_000,
): void {
  let at = from
  for (const { afterMs, latencyMs, result, used, times } of steps) {
    for (let time = 0; time < times; time++) {
      at += afterMs
      limit.started(at)
      const before = limit.limit
      const inFlight = Math.max(1, Math.round(used * before))
      look(limit.ended({ startedAt: at, at: at + latencyMs, result, inFlight }), before)
    }
  }
}

describe.each(Object.entries(makers))('%s', (_, make) => {
  it('law: always a whole number within its bounds, and each change is told as it was', PATIENTLY, () => {
    fc.assert(
      fc.property(
        boundsOf,
        fc.integer({ min: 1, max: 500 }),
        fc.array(step, { maxLength: 30 }),
        (bounds, initial, steps) => {
          const limit = make(bounds, initial)
          // Only what is wrong is handed to expect: there are a million changes to look at.
          feed(limit, steps, (change, before) => {
            const now = limit.limit
            const isWithin = Number.isInteger(now) && now >= bounds.min && now <= bounds.max
            const isTold = change
              ? change.limit === now && change.previous === before && now !== before
              : now === before
            if (!isWithin || !isTold) expect({ now, before, change }).toBe('within the bounds and told')
          })
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('law: never grows beyond where it began while something else is the bottleneck', PATIENTLY, () => {
    const idle = step.map((one) => ({ ...one, used: 0.7 * one.used }))
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 300 }), fc.array(idle, { maxLength: 30 }), (initial, steps) => {
        const limit = make({ min: 1, max: 1_000 }, initial)
        let most = 0
        feed(limit, steps, () => {
          most = Math.max(most, limit.limit)
        })
        expect(most).toBeLessThanOrEqual(initial)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: falls while attempts fail that did not at first, whatever the latency', PATIENTLY, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 60 }),
        fc.double({ min: 1, max: 3_000, noNaN: true }),
        (initial, latencyMs) => {
          const limit = make({ min: 1, max: 100 }, initial)
          const one = { afterMs: 50, latencyMs, used: 1, times: 400 }
          feed(limit, [{ ...one, result: 'ok' }], () => {})
          const before = limit.limit
          feed(limit, [{ ...one, result: 'failed' }], () => {}, 100_000)
          expect(limit.limit).toBeLessThan(Math.max(2, before))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('grows while it is used up and the latency stays', () => {
    const limit = make({ min: 1, max: 1_000 }, 10)
    const seen: LimitChange[] = []
    feed(limit, [{ afterMs: 5, latencyMs: 50, result: 'ok', used: 1, times: 3_000 }], (change) => {
      if (change) seen.push(change)
    })
    expect(limit.limit).toBeGreaterThan(30)
    expect(seen.map(({ reason }) => reason)).toContain('room')
  })
})
