import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effectiveRate, type FlowNow } from './effective-rate.ts'

const INFINITE = Number.POSITIVE_INFINITY
const rate = fc.oneof(fc.constant(INFINITE), fc.double({ min: 0.01, max: 10_000, noNaN: true }))
const flowing = fc.record({
  isPaused: fc.constant(false),
  isBroken: fc.constant(false),
  isHeld: fc.constant(false),
  limits: fc.array(
    fc.record({ perSecond: rate, burst: fc.nat(5), counts: fc.constantFrom<('tasks' | 'cost')[]>('tasks', 'cost') }),
    { maxLength: 3 },
  ),
  pacePerSecond: rate,
  limit: fc.integer({ min: 1, max: 1_000 }),
  latencyMs: fc.option(fc.double({ min: 0, max: 10_000, noNaN: true }), { nil: undefined }),
})

describe('the effective rate', () => {
  it('law: never above any bound, and equal to the one that it names', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(flowing, (now) => {
        const { perSecond, boundBy } = effectiveRate(now)
        const byTasks = now.limits.filter(({ counts }) => counts === 'tasks').map((limit) => limit.perSecond)
        const bounds = {
          rate: Math.min(INFINITE, ...byTasks),
          quota: now.pacePerSecond,
          concurrency: now.latencyMs ? now.limit / (now.latencyMs / 1_000) : INFINITE,
        }
        for (const bound of Object.values(bounds)) expect(perSecond).toBeLessThanOrEqual(bound * (1 + 1e-12))
        if (perSecond < INFINITE) expect(perSecond / bounds[boundBy as keyof typeof bounds]).toBeCloseTo(1, 9)
        seen.add(boundBy)
      }),
      { numRuns: 1_000 },
    )
    expect([...seen].sort()).toEqual(['concurrency', 'quota', 'rate'])
  })

  it('is 0 while it is paused, broken or held, in this order', () => {
    const now: FlowNow = {
      isPaused: true,
      isBroken: true,
      isHeld: true,
      limits: [],
      pacePerSecond: INFINITE,
      limit: 1,
      latencyMs: undefined,
    }
    expect(effectiveRate(now)).toEqual({ perSecond: 0, boundBy: 'paused' })
    expect(effectiveRate({ ...now, isPaused: false })).toEqual({ perSecond: 0, boundBy: 'breaker' })
    expect(effectiveRate({ ...now, isPaused: false, isBroken: false })).toEqual({ perSecond: 0, boundBy: 'hold' })
  })

  it('of equal bounds the rate comes first, and then the quota', () => {
    const now: FlowNow = {
      isPaused: false,
      isBroken: false,
      isHeld: false,
      limits: [{ perSecond: 20, burst: 0, counts: 'tasks' }],
      pacePerSecond: 20,
      limit: 2,
      latencyMs: 100,
    }
    expect(effectiveRate(now)).toEqual({ perSecond: 20, boundBy: 'rate' })
    expect(effectiveRate({ ...now, limits: [] })).toEqual({ perSecond: 20, boundBy: 'quota' })
  })
})
