import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeavyHitters } from './heavy-hitters.ts'

/** Streams in which some keys come far more often than others. */
const streams = fc.record({
  places: fc.integer({ min: 1, max: 12 }),
  keys: fc.array(
    fc.oneof(
      fc.constantFrom('hot', 'warm'),
      fc.integer({ min: 0, max: 40 }).map((key) => `k${key}`),
    ),
    { maxLength: 300 },
  ),
})

function counted(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

describe('HeavyHitters', () => {
  it('law: counts sum up to what was seen, none is too low, and none is too high by more than its error', () => {
    fc.assert(
      fc.property(streams, ({ places, keys }) => {
        const hitters = new HeavyHitters(places)
        for (const key of keys) hitters.note(key)
        const truth = counted(keys)
        const top = hitters.top(places)
        expect(hitters.seen).toBe(keys.length)
        expect(top.length).toBe(Math.min(places, truth.size))
        expect(top.reduce((sum, { count }) => sum + count, 0)).toBe(keys.length)
        for (const { key, count, error } of top) {
          const came = truth.get(key) ?? 0
          expect(count - error).toBeLessThanOrEqual(came)
          expect(count).toBeGreaterThanOrEqual(came)
          expect(error).toBeLessThanOrEqual(keys.length / places)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('law: every key that came more often than N / m is among them', () => {
    fc.assert(
      fc.property(streams, ({ places, keys }) => {
        const hitters = new HeavyHitters(places)
        for (const key of keys) hitters.note(key)
        const known = new Set(hitters.top(places).map(({ key }) => key))
        for (const [key, came] of counted(keys)) if (came > keys.length / places) expect(known).toContain(key)
      }),
      { numRuns: 2_000 },
    )
  })

  it('law: with a place for each key it counts exactly', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd')), (keys) => {
        const hitters = new HeavyHitters(4)
        for (const key of keys) hitters.note(key)
        const exact = [...counted(keys)].map(([key, count]) => ({ key, count, error: 0 }))
        expect(hitters.top(4)).toEqual(exact.sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: the least count is replaced: a newcomer gets one more than it', () => {
    fc.assert(
      fc.property(streams, ({ places, keys }) => {
        const hitters = new HeavyHitters(places)
        for (const key of keys) hitters.note(key)
        const before = hitters.top(places)
        hitters.note('newcomer')
        const found = hitters.top(places).find(({ key }) => key === 'newcomer')
        const least = before.length < places ? 0 : Math.min(...before.map(({ count }) => count))
        expect(found).toEqual({ key: 'newcomer', count: least + 1, error: least })
      }),
      { numRuns: 1_000 },
    )
  })

  it('shows as many as are asked for, the highest first', () => {
    const hitters = new HeavyHitters(10)
    for (const key of ['b', 'a', 'b', 'c', 'b', 'a']) hitters.note(key)
    expect(hitters.top(2)).toEqual([
      { key: 'b', count: 3, error: 0 },
      { key: 'a', count: 2, error: 0 },
    ])
  })

  it('counts N / m for each when every key is new, however many', () => {
    const hitters = new HeavyHitters(1_000)
    for (let n = 0; n < 300_000; n++) hitters.note(`k${n}`)
    expect(hitters.top(1)[0]?.count).toBe(300)
  })
})
