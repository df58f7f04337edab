import fc from 'fast-check'
import { expect, it } from 'vitest'
import { QuotaPace } from './quota-pace.ts'

/** Starts as often as the pace lets it, at most each `everyMs`, against a bucket of `perSecond`; what was accepted and refused. */
function against(perSecond: number, burst: number, seconds: number, everyMs = 1) {
  const pace = new QuotaPace()
  let tokens = burst
  let last = 0
  let hold = 0
  const counts = { accepted: 0, refused: 0 }
  for (let at = 0; at < seconds * 1_000; at += everyMs) {
    if (at < hold || at < pace.nextStartAt) continue
    tokens = Math.min(burst, tokens + ((at - last) * perSecond) / 1_000)
    last = at
    pace.started(at)
    if (tokens >= 1) {
      tokens--
      pace.accepted(at)
      counts.accepted++
    } else {
      pace.refused(at)
      hold = at + 1_000
      counts.refused++
    }
  }
  return { pace, ...counts }
}

it('finds a quota that nobody told it, and is refused ever more rarely', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 200 }), fc.integer({ min: 2, max: 50 }), (perSecond, burst) => {
      const { accepted, refused } = against(perSecond, burst, 300)
      expect(accepted / 300).toBeGreaterThan(0.75 * perSecond)
      expect(refused).toBeLessThan(25)
    }),
    { numRuns: 100 },
  )
})

it('law: a pace is only ever slower than none, and never in the past by more than 5 ms', () => {
  const step = fc.record({
    afterMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
    what: fc.constantFrom<('started' | 'accepted' | 'refused')[]>('started', 'accepted', 'refused'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const pace = new QuotaPace()
      let at = 0
      let refusals = 0
      for (const { afterMs, what } of steps) {
        at += afterMs
        pace[what](at)
        if (what === 'refused') refusals++
        expect(pace.nextStartAt).not.toBeNaN()
        if (refusals === 0) expect(pace.nextStartAt).toBe(Number.NEGATIVE_INFINITY)
        if (pace.nextStartAt > Number.NEGATIVE_INFINITY && what === 'started') {
          expect(pace.nextStartAt).toBeGreaterThan(at - 5)
        }
      }
    }),
    { numRuns: 1_000 },
  )
})

it('says how many starts fit', () => {
  const { pace } = against(100, 10, 60)
  const from = pace.nextStartAt
  expect(pace.startsUntil(from - 1, from - 100)).toBe(0)
  expect(pace.startsUntil(from, from - 100)).toBe(1)
  expect(pace.startsUntil(from + 1_000, from - 100)).toBeGreaterThan(90)
  expect(pace.startsUntil(from + 1_000, from - 100)).toBeLessThan(125)
  expect(new QuotaPace().startsUntil(1, 0)).toBe(Number.POSITIVE_INFINITY)
})
