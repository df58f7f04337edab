import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ScalingObservation, ScalingOptions } from './scaling-options.ts'
import { ScalingPolicy } from './scaling-policy.ts'

/** SLO 60 s, start-up 30 s, control each 15 s: who waits longer than 15 s is due before the next decision can help. */
const objective = { waitMs: 60_000, startUpMs: 30_000, controlMs: 15_000 }
const policyOf = (options: Partial<ScalingOptions> = {}) => new ScalingPolicy({ ...objective, ...options })
const seen = (over: Partial<ScalingObservation>): ScalingObservation => ({
  atMs: 15_000,
  arrived: 0,
  backlog: 0,
  oldestAgeMs: 0,
  ready: 0,
  starting: 0,
  serviceMs: 100,
  ...over,
})
/** Decisions, each a control period after the one before. */
const course = (policy: ScalingPolicy, sights: readonly Partial<ScalingObservation>[]) =>
  sights.map((sight, index) => policy.decide(seen({ atMs: (index + 1) * 15_000, ...sight })))
const times = <T>(count: number, value: T) => Array.from({ length: count }, () => value)

describe('more workers', () => {
  it('are not asked for while those who wait are served before they are due: the backlog floats', () => {
    const decision = policyOf().decide(seen({ arrived: 400, backlog: 400, oldestAgeMs: 15_000, ready: 1 }))
    expect(decision).toMatchObject({ desired: 1, change: 'hold', boundBy: 'objective' })
  })

  it('are as few as will do: what is due is spread over the time that is left', () => {
    const decision = policyOf().decide(seen({ arrived: 3_000, backlog: 3_000, oldestAgeMs: 15_000, ready: 1 }))
    // One worker serves 600 in a minute; the other 2,400 are left for workers that have half a minute of it.
    expect(decision.desired - 1).toBeGreaterThanOrEqual(8)
    expect(decision.desired - 1).toBeLessThanOrEqual(13)
  })

  it('are more the less time is left, and the reason says so', () => {
    const decision = policyOf().decide(seen({ backlog: 2_850, oldestAgeMs: 29_250, ready: 1 }))
    expect(decision).toMatchObject({ change: 'up', before: 1, boundBy: 'objective' })
    expect(decision.desired).toBeGreaterThanOrEqual(17)
    expect(decision.reason).toMatch(/^\d+ tasks due within [\d.]+ s, of which 1 worker can serve \d+: \d+ more\.$/)
  })

  it('are not asked for twice while they start, seen or not', () => {
    const backlog = { arrived: 0, backlog: 2_850, oldestAgeMs: 40_000 }
    for (const isSeen of [true, false]) {
      const policy = policyOf()
      const [first] = course(policy, [{ ...backlog, ready: isSeen ? 1 : undefined }])
      const asked = (first?.desired ?? 0) - (first?.before ?? 0)
      const now = isSeen ? { ready: 1, starting: asked } : { ready: undefined, starting: undefined }
      const next = policy.decide(seen({ ...backlog, atMs: 30_000, oldestAgeMs: 55_000, ...now }))
      expect(asked).toBeGreaterThan(0)
      expect(next.change).not.toBe('up')
    }
  })

  it('serve several tasks at once where they have slots', () => {
    const backlog = { backlog: 2_000, oldestAgeMs: 40_000, ready: 1 }
    const [one, four] = [1, 4].map((slots) => policyOf({ slots }).decide(seen(backlog)).desired) as [number, number]
    expect(four).toBeLessThanOrEqual(Math.ceil(one / 4) + 1)
    expect(four).toBeGreaterThan(1)
    // One worker of four slots serves 600 in the 15 s that are left, and has served 1,800 by then: enough for these.
    expect(policyOf({ slots: 4 }).decide(seen({ backlog: 1_200, oldestAgeMs: 40_000, ready: 1 })).desired).toBe(1)
  })

  it('have a margin for service times that differ', () => {
    const backlog = { backlog: 2_000, oldestAgeMs: 40_000, ready: 1 }
    const [even, uneven] = [0, 300].map((ms) => policyOf().decide(seen({ ...backlog, serviceDeviationMs: ms })).desired)
    expect(uneven).toBeGreaterThan(even as number)
  })

  it('are foreseen where the wait is no longer than the start-up: for bursts more than for an even stream', () => {
    const at = (counts: readonly number[]) => {
      const sights = counts.map((arrived) => ({ arrived, ready: 10 }))
      return course(policyOf({ waitMs: 30_000 }), sights).at(-1)?.desired ?? 0
    }
    const even = at(times(400, 1_000))
    const bursts = at(Array.from({ length: 400 }, (_, index) => (index % 4 === 0 ? 4_000 : 0)))
    expect(even).toBeGreaterThanOrEqual(6)
    expect(bursts).toBeGreaterThan(even)
  })
})

describe('fewer workers', () => {
  it('as soon as they will do for long, with the reason', () => {
    const decision = course(policyOf(), times(80, { arrived: 150, ready: 10 })).at(-1)
    expect(decision).toMatchObject({ change: 'down', desired: 1 })
    expect(decision?.reason).toBe('0 tasks waiting, 10/s coming: 1 worker will do for 180 s.')
  })

  it('not for a lull: the rate of late counts, and what waits', () => {
    const decisions = course(policyOf(), [
      ...times(80, { arrived: 1_500, ready: 10, backlog: 1_000, oldestAgeMs: 10_000 }),
      { ready: 10, backlog: 900, oldestAgeMs: 12_000 },
    ])
    expect(decisions.at(-1)?.desired).toBeGreaterThanOrEqual(7)
  })

  it('none at all after nothing came for long, and back when somebody waits', () => {
    const policy = policyOf()
    const decisions = course(policy, [{ arrived: 10, ready: 1 }, ...times(11, { ready: 1 }), { ready: 1 }, {}])
    expect(decisions.map(({ desired }) => desired).indexOf(0)).toBe(12)
    expect(decisions[12]?.reason).toBe('0 tasks waiting, 0.09/s coming: none is needed.')
    const back = policy.decide(seen({ atMs: 240_000, arrived: 1, backlog: 1, oldestAgeMs: 16_000 }))
    expect(back).toMatchObject({ desired: 1, change: 'up', before: 0 })
  })

  it('one is kept where the first task would be late without it', () => {
    const decision = course(policyOf({ waitMs: 45_000 }), times(100, { ready: 1 })).at(-1)
    expect(decision).toMatchObject({ desired: 1 })
    expect(decision?.reason).toMatch(/one is kept, for without it the first task would be late\.$/)
  })
})

describe('the downstream', () => {
  const pressing = { backlog: 50_000, oldestAgeMs: 50_000, ready: 2 }

  it('never gets more workers than it can use, and the reason says so', () => {
    const decision = policyOf().decide(seen({ ...pressing, capacityPerSecond: 35 }))
    expect(decision).toMatchObject({ desired: 4, useful: 4, boundBy: 'capacity', change: 'up' })
    expect(decision.reason).toMatch(
      /The downstream can use 4 at present: 4 workers, for more would only wait for it\.$/,
    )
  })

  it('that takes nothing gets none added; it loses them when that has stood for long', () => {
    const decisions = course(policyOf({ min: 1 }), [
      { ...pressing, capacityPerSecond: 20 },
      ...times(13, { ...pressing, capacityPerSecond: 0 }),
    ])
    expect(decisions.slice(0, 12).map(({ desired }) => desired)).toEqual(times(12, 2))
    expect(decisions.at(-1)).toMatchObject({ desired: 1, boundBy: 'capacity', change: 'down' })
  })

  it('of which nothing is known does not bound', () => {
    expect(policyOf().decide(seen(pressing))).toMatchObject({
      desired: 100,
      boundBy: 'max',
      useful: Number.POSITIVE_INFINITY,
    })
  })
})

describe('the beginning, the bounds, the caution', () => {
  it('without a service time: one worker, to measure it', () => {
    const policy = policyOf()
    expect(policy.decide(seen({ serviceMs: undefined }))).toMatchObject({ desired: 0, reason: /measured yet\.$/ })
    expect(policy.decide(seen({ atMs: 30_000, serviceMs: undefined, arrived: 500, backlog: 500 }))).toMatchObject({
      desired: 1,
      reason: /one worker, to measure it\.$/,
    })
  })

  it('says which bound it met', () => {
    const pressing = { backlog: 50_000, oldestAgeMs: 50_000, ready: 1 }
    expect(policyOf({ max: 5 }).decide(seen(pressing))).toMatchObject({
      desired: 5,
      boundBy: 'max',
      reason: /The maximum is 5\.$/,
    })
    expect(policyOf({ min: 3 }).decide(seen({}))).toMatchObject({
      desired: 3,
      boundBy: 'min',
      reason: /The minimum is 3\.$/,
    })
  })

  it('measures the share that waited too long, and grows more cautious for it', () => {
    const after = (backlog: number) => {
      const policy = policyOf()
      // At 100/s each starts so long after it came as the backlog takes to come.
      const past = course(policy, times(60, { arrived: 1_500, backlog, oldestAgeMs: backlog * 10, ready: 10 }))
      const now = { atMs: 915_000, arrived: 1_500, backlog: 5_500, oldestAgeMs: 55_000, ready: 10 }
      return { lateShare: past.at(-1)?.lateShare, desired: policy.decide(seen(now)).desired }
    }
    expect(after(3_000)).toEqual({ lateShare: 0, desired: 10 })
    expect(after(7_000).lateShare).toBeGreaterThan(0.8)
    expect(after(7_000).desired).toBeGreaterThan(10)
  })

  it.each([
    ['waitMs', { waitMs: 0 }],
    ['controlMs', { controlMs: Number.POSITIVE_INFINITY }],
    ['slots', { slots: -1 }],
    ['serviceMs', { serviceMs: 0 }],
    ['lateShare', { lateShare: 1 }],
    ['startUpMs', { startUpMs: -1 }],
    ['min', { min: 0.5 }],
    ['max', { min: 7, max: 6 }],
  ])('refuses %s where it makes no sense', (name, options) => {
    expect(() => policyOf(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path: name }))
  })
})

describe('laws', () => {
  const sight = fc.record({
    arrived: fc.nat(5_000),
    backlog: fc.nat(20_000),
    oldestAgeMs: fc.nat(300_000),
    ready: fc.nat(50),
    starting: fc.nat(10),
    serviceMs: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
    serviceDeviationMs: fc.nat(5_000),
    capacityPerSecond: fc.option(fc.nat(500), { nil: undefined }),
  })
  const options = fc.record({
    waitMs: fc.integer({ min: 1_000, max: 600_000 }),
    startUpMs: fc.nat(120_000),
    controlMs: fc.integer({ min: 1_000, max: 60_000 }),
    slots: fc.integer({ min: 1, max: 20 }),
    min: fc.nat(5),
    max: fc.integer({ min: 5, max: 60 }),
  })

  it('a decision is a whole number within the bounds, never raised beyond what the downstream can use, and has a reason', () => {
    fc.assert(
      fc.property(options, fc.array(sight, { minLength: 1, maxLength: 12 }), (given, sights) => {
        const policy = new ScalingPolicy(given)
        sights.forEach((one, index) => {
          const { desired, change, useful, reason } = policy.decide({ ...one, atMs: (index + 1) * given.controlMs })
          expect(Number.isSafeInteger(desired)).toBe(true)
          expect(desired).toBeGreaterThanOrEqual(given.min)
          expect(desired).toBeLessThanOrEqual(given.max)
          if (change === 'up') expect(desired).toBeLessThanOrEqual(Math.max(useful, given.min))
          expect(reason).toMatch(/^[^.].*\.$/)
        })
      }),
      { numRuns: 2_000 },
    )
  })

  it('with more waiting, as long, there are never fewer workers', () => {
    fc.assert(
      fc.property(options, sight, fc.nat(5_000), (given, one, further) => {
        const at = { ...one, atMs: given.controlMs }
        const [fewer, more] = [one.backlog, one.backlog + further].map(
          (backlog) => new ScalingPolicy(given).decide({ ...at, backlog }).desired,
        ) as [number, number]
        expect(more).toBeGreaterThanOrEqual(fewer)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the start-up', () => {
  const sight = fc.record({
    arrived: fc.nat(400),
    backlog: fc.oneof(fc.constant(0), fc.nat(3_000)),
    oldestAgeMs: fc.nat(90_000),
    ready: fc.nat(12),
  })

  it('law: that is measured decides as one that was told', () => {
    fc.assert(
      fc.property(fc.nat(120_000), fc.array(sight, { maxLength: 30 }), fc.nat(40), (startUpMs, sights, quiet) => {
        const all = [...sights, ...times(quiet, { ready: 1 })]
        const { waitMs, controlMs } = objective
        const measured = course(
          new ScalingPolicy({ waitMs, controlMs }),
          all.map((one) => ({ ...one, startUpMs })),
        )
        expect(measured).toEqual(course(policyOf({ startUpMs }), all))
      }),
      { numRuns: 1_000 },
    )
  })

  it('that was told stands, whatever is measured; without either it is five seconds', () => {
    const { waitMs, controlMs } = objective
    const sights = [...times(20, { arrived: 300, backlog: 2_850, oldestAgeMs: 29_250, ready: 1 }), ...times(20, {})]
    const told = course(
      policyOf(),
      sights.map((one) => ({ ...one, startUpMs: 1 })),
    )
    expect(told).toEqual(course(policyOf(), sights))
    expect(course(new ScalingPolicy({ waitMs, controlMs }), sights)).toEqual(
      course(policyOf({ startUpMs: 5_000 }), sights),
    )
  })

  it('that is measured first at a later decision counts from then on, also for what came before', () => {
    const { waitMs, controlMs } = objective
    const policy = new ScalingPolicy({ waitMs, controlMs })
    const decisions = course(policy, [
      { arrived: 10, ready: 1 },
      ...times(3, { ready: 1 }),
      ...times(9, { ready: 1, startUpMs: 30_000 }),
    ])
    // L is 180 s with it, and would be 80 s with five seconds.
    expect(decisions.map(({ desired }) => desired).indexOf(0)).toBe(12)
  })
})
