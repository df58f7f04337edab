import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QuotaPace } from './quota-pace.ts'

/** Whether one more is accepted at this time. */
type Quota = (at: number) => boolean

function bucket(perSecond: number, burst: number): Quota {
  let tokens = burst
  let last = 0
  return (at) => {
    tokens = Math.min(burst, tokens + ((at - last) * perSecond) / 1_000)
    last = at
    if (tokens < 1) return false
    tokens--
    return true
  }
}

function windowed(most: number, windowMs: number): Quota {
  let [window, used] = [0, 0]
  return (at) => {
    if (Math.floor(at / windowMs) > window) [window, used] = [Math.floor(at / windowMs), 0]
    return ++used <= most
  }
}

interface Course {
  readonly pace: QuotaPace
  accepted: number
  refused: number
  /** In the second half of the time. */
  late: { accepted: number; refused: number }
}

interface Way {
  readonly seconds: number
  readonly roundTripMs?: number
  /** What a refusal says; 0: nothing. */
  readonly quietMs?: number
  /** The fastest that the flow can start by itself. */
  readonly mostPerSecond?: number
}

/** Starts as often as the pace lets it, against a quota. */
function against(quota: Quota, { seconds, roundTripMs = 5, quietMs = 1_000, mostPerSecond = 500 }: Way): Course {
  const course: Course = { pace: new QuotaPace(), accepted: 0, refused: 0, late: { accepted: 0, refused: 0 } }
  const { pace } = course
  const answers: { readonly at: number; readonly startedAt: number; readonly accepted: boolean }[] = []
  let freeAt = 0
  let holdUntil = 0
  for (let at = 1; at <= seconds * 1_000; at++) {
    for (let next = answers[0]; next && next.at <= at; next = answers[0]) {
      answers.shift()
      const counts = at > seconds * 500 ? [course, course.late] : [course]
      for (const count of counts) count[next.accepted ? 'accepted' : 'refused']++
      if (next.accepted) pace.accepted(at, next.startedAt)
      else {
        pace.refused(at, next.startedAt, quietMs)
        holdUntil = Math.max(holdUntil, at + quietMs)
      }
    }
    while (Math.max(freeAt, holdUntil, pace.nextStartAt) <= at) {
      freeAt = Math.max(freeAt, at - 1) + 1_000 / mostPerSecond
      pace.started(at)
      answers.push({ at: at + roundTripMs, startedAt: at, accepted: quota(at) })
    }
  }
  return course
}

describe('QuotaPace', () => {
  it('finds a bucket that nobody told it, and is refused ever more rarely', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 200 }), fc.integer({ min: 2, max: 50 }), (perSecond, burst) => {
        const { accepted, refused, late } = against(bucket(perSecond, burst), { seconds: 300 })
        expect(accepted / 300).toBeGreaterThan(0.8 * perSecond)
        expect(late.accepted / 150).toBeGreaterThan(0.85 * perSecond)
        expect(refused).toBeLessThan(40)
        expect(late.refused).toBeLessThan(20)
      }),
      { numRuns: 100 },
    )
  })

  it.each([0, 1])('finds so many a minute, and levels them, with Retry-After x %i', (tells) => {
    const course = against(windowed(600, 60_000), { seconds: 600, quietMs: tells * 2_000, mostPerSecond: 100 })
    expect(course.late.accepted / 300).toBeGreaterThan(9)
    expect(course.late.refused / course.late.accepted).toBeLessThan(0.05)
    // In the long run neither all at once nor beyond the quota.
    expect(course.pace.perSecond(600_000)).toBeLessThan(25)
    expect(course.pace.perSecond(600_000)).toBeGreaterThan(7)
  })

  it('follows a quota that grew, and forgets one that is no longer needed', () => {
    let perSecond = 20
    const growing: Quota = (() => {
      const [slow, fast] = [bucket(20, 10), bucket(80, 10)]
      return (at) => {
        if (at > 200_000) perSecond = 80
        return perSecond === 80 ? fast(at) : slow(at)
      }
    })()
    const grown = against(growing, { seconds: 500 })
    expect(grown.late.accepted / 250).toBeGreaterThan(50)
    const once = against((at) => at !== 3_000, { seconds: 120, mostPerSecond: 10 })
    expect(once.refused).toBe(1)
    expect(once.pace.perSecond(120_000)).toBe(Number.POSITIVE_INFINITY)
    expect(once.pace.nextStartAt).toBe(Number.NEGATIVE_INFINITY)
    expect(once.pace.startsUntil(121_000, 120_000)).toBe(Number.POSITIVE_INFINITY)
  })

  it('law: no pace before a refusal, none in the past by more than 5 ms, and a rate that stays a number above 0', () => {
    const step = fc.record({
      afterMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
      what: fc.constantFrom<('started' | 'accepted' | 'refused')[]>('started', 'started', 'accepted', 'refused'),
      agoMs: fc.double({ min: 0, max: 3_000, noNaN: true }),
      quietMs: fc.constantFrom(0, 0, 100, 5_000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const pace = new QuotaPace()
        let at = 10_000
        let refusals = 0
        for (const { afterMs, what, agoMs, quietMs } of steps) {
          at += afterMs
          if (what === 'started') pace.started(at)
          else if (what === 'accepted') pace.accepted(at, at - agoMs)
          else pace.refused(at, at - agoMs, quietMs)
          if (what === 'refused') refusals++
          expect(pace.nextStartAt).not.toBeNaN()
          expect(pace.perSecond(at)).toBeGreaterThan(0)
          if (refusals === 0) expect(pace.nextStartAt).toBe(Number.NEGATIVE_INFINITY)
          if (pace.nextStartAt > Number.NEGATIVE_INFINITY && what === 'started') {
            expect(pace.nextStartAt).toBeGreaterThan(at - 5)
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: starts nothing before Retry-After is over, and never faster than its rate afterwards', () => {
    const quiet = fc.integer({ min: 1, max: 10_000 })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 100 }),
        quiet,
        (starts, everyMs, quietMs) => {
          const pace = new QuotaPace()
          for (let start = 0; start < starts; start++) pace.started(1_000 + start * everyMs)
          const at = 1_000 + starts * everyMs
          pace.refused(at, at, quietMs)
          expect(pace.nextStartAt).toBe(at + Math.max(20, quietMs))
          expect(pace.perSecond(at)).toBeLessThanOrEqual(Math.max(1_000 / everyMs, 1_000 / (starts * everyMs)))
          const next = pace.nextStartAt
          pace.started(next)
          const gapMs = pace.nextStartAt - next
          expect(gapMs).toBeGreaterThanOrEqual(1_000 / pace.perSecond(next) - 1e-6)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('law: counts the starts that fit as many starts would fill it', () => {
    const window = fc.double({ min: 0, max: 5_000, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), window, (starts, windowMs) => {
        const pace = new QuotaPace()
        for (let start = 0; start < starts; start++) pace.started(start * 10)
        pace.refused(starts * 10, starts * 10, 500)
        const from = pace.nextStartAt
        expect(pace.startsUntil(from - 1, from - 100)).toBe(0)
        const counted = pace.startsUntil(from + windowMs, from - 100)
        expect(counted).toBe(1 + Math.floor((windowMs * pace.perSecond(from - 100)) / 1_000))
      }),
      { numRuns: 1_000 },
    )
  })

  it('tries ever more rarely where nobody says when to come again, and goes on at once when it is open', () => {
    const pace = new QuotaPace()
    for (let at = 0; at < 1_000; at += 10) pace.started(at)
    pace.refused(1_000, 990, 0)
    const trials: number[] = []
    while (pace.nextStartAt < 30_000) {
      const at = pace.nextStartAt
      trials.push(at)
      pace.started(at)
      pace.refused(at, at, 0)
    }
    const shares = trials.slice(10).map((at, index) => (at - 1_000) / ((trials[index + 9] as number) - 1_000))
    for (const share of shares) expect(share).toBeCloseTo(1.2, 6)
    expect(trials.length).toBeLessThan(60)
    const last = trials.at(-1) as number
    pace.accepted(last + 5, last)
    expect(pace.nextStartAt).toBeLessThanOrEqual(last + 5 + 1_000 / pace.perSecond(last + 5))
  })

  it('what started before the last opening says nothing of now', () => {
    const pace = new QuotaPace()
    for (let at = 0; at < 1_000; at += 10) pace.started(at)
    pace.refused(1_000, 990, 100)
    pace.started(1_100)
    pace.accepted(1_110, 1_100)
    const next = pace.nextStartAt
    pace.refused(1_111, 995, 5_000)
    expect(pace.nextStartAt).toBe(next)
    // Nor does an acceptance of what had started before it was shut open it.
    pace.refused(1_200, 1_150, 100)
    pace.accepted(1_210, 1_190)
    expect(pace.nextStartAt).toBe(1_300)
  })

  it('grows from a pace below the ceiling: by 1% and 0.2% of the square, in units of a quarter of how long it was shut', () => {
    const pace = new QuotaPace()
    // 100 a second for a second, of which ten are accepted; then shut for four.
    for (let start = 0; start < 100; start++) pace.started(start * 10)
    for (let start = 0; start < 10; start++) pace.accepted(start * 10 + 5, start * 10)
    pace.refused(1_000, 990, 4_000)
    pace.started(5_000)
    pace.accepted(5_010, 5_000)
    const perSecond = pace.perSecond(5_010)
    // A third of the cycle of 5.01 s it waits; a unit is 4.01 s / 4.
    const after = (units: number) => pace.perSecond(5_010 + 5_010 / 3 + units * 1_002.5) / perSecond
    expect(after(-0.5)).toBe(1)
    for (const units of [0.5, 1, 3, 10]) expect(after(units)).toBeCloseTo(1 + 0.01 * units + 0.002 * units ** 2, 6)
  })
})
