import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PacerState } from './pacer.ts'
import { handBackSlots, holdFlow, reserveSlots } from './shared-flow.ts'
import { mostInWindow } from '../replay/figures.ts'

const settings = { perSecond: 100, rampMs: 0 }
const window = { leadMs: 0, horizonMs: 250 }

describe('a shared flow', () => {
  const step = fc.record({
    waitMs: fc.double({ min: 0, max: 200, noNaN: true }),
    want: fc.integer({ min: 1, max: 60 }),
    leadMs: fc.constantFrom(0, 0, 5, 40),
    used: fc.double({ min: 0, max: 1, noNaN: true }),
  })

  it('law: whoever reserves, slots keep the law of one pacer, also when some are handed back', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0.5, max: 5_000, noNaN: true }),
        fc.double({ min: 1, max: 3_000, noNaN: true }),
        (steps, perSecond, windowMs) => {
          let state: PacerState | undefined
          let now = 0
          const used: number[] = []
          for (const { waitMs, want, leadMs, used: share } of steps) {
            now += waitMs
            const reserved = reserveSlots(state, { perSecond, rampMs: 0 }, want, now, { leadMs, horizonMs: 250 })
            expect(reserved.at.every((slot) => slot >= now && slot <= now + 250)).toBe(true)
            const kept = Math.ceil(share * reserved.at.length)
            const first = reserved.at[kept]
            state = first === undefined ? reserved.state : handBackSlots(reserved.state, first, reserved.next)
            used.push(...reserved.at.slice(0, kept))
          }
          expect([...used].sort((a, b) => a - b)).toEqual(used)
          const bound = 1 + Math.floor((perSecond * windowMs) / 1_000 + 1e-6)
          expect(mostInWindow(used, windowMs)).toBeLessThanOrEqual(bound)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('hands out every slot once, without a gap, and tells when the next is free', () => {
    const first = reserveSlots(undefined, settings, 3, 1_000, window)
    expect(first.at).toEqual([1_000, 1_010, 1_020])
    expect(first.next).toBe(1_030)
    const second = reserveSlots(first.state, settings, 99, 1_005, window)
    expect(second.at[0]).toBe(1_030)
    expect(second.at.at(-1)).toBe(1_250)
    expect(reserveSlots(second.state, settings, 1, 1_006, window).at).toEqual([])
  })

  it('takes slots back only while nothing was reserved behind them', () => {
    const first = reserveSlots(undefined, settings, 5, 0, window)
    const again = reserveSlots(handBackSlots(first.state, 20, first.next), settings, 1, 1, window)
    expect(again.at).toEqual([20])
    const stale = handBackSlots(again.state, 30, first.next)
    expect(stale).toEqual(again.state)
    expect(handBackSlots(undefined, 1, 2)).toBeUndefined()
  })

  it('holds for everybody, ramps up afterwards, and a longer hold stands', () => {
    const held = holdFlow(holdFlow(reserveSlots(undefined, settings, 1, 0, window).state, 5_000), 3_000)
    expect(reserveSlots(held, settings, 1, 4_000, window)).toMatchObject({ at: [], next: 5_000 })
    const after = reserveSlots(held, { perSecond: 100, rampMs: 1_000 }, 3, 5_000, window).at
    expect(after[0]).toBe(5_000)
    expect((after[1] as number) - 5_000).toBeGreaterThan(40)
    expect(reserveSlots(holdFlow(undefined, 100), settings, 1, 50, window).at).toEqual([100])
  })

  it('follows a change of the rate from the next slot on', () => {
    const slow = reserveSlots(undefined, { perSecond: 0.01, rampMs: 0 }, 1, 0, window)
    expect(slow.next).toBe(100_000)
    expect(reserveSlots(slow.state, { perSecond: 10, rampMs: 0 }, 1, 0, window).at).toEqual([100])
  })
})
