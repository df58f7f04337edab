import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { handBack, hold, type Reserved, reserve, type SharedFlow } from './shared-flow.ts'
import { mostInWindow } from '../replay/figures.ts'

const at = (perSecond: number, rampMs = 0) => ({ limits: [{ perSecond, burst: 0, counts: 'tasks' }], rampMs }) as const
const settings = at(100)

function take(
  flow: SharedFlow | undefined,
  wish: ReturnType<typeof at>,
  costs: number,
  now: number,
  leadMs = 0,
): Reserved & { readonly flow: SharedFlow } {
  const [next, reserved] = reserve(flow, { kind: 'reserve', ...wish, costs, charge: 0, leadMs, horizonMs: 250 }, now)
  return { ...reserved, flow: next }
}

const back = (flow: SharedFlow | undefined, mark: number, costs: number, wish = settings) =>
  handBack(flow, { kind: 'handBack', mark, costs, settings: wish }, 0)
const held = (flow: SharedFlow | undefined, delayMs: number, now: number) =>
  hold(flow, { kind: 'hold', delayMs }, now)[0]

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
          const wish = at(perSecond)
          let flow: SharedFlow | undefined
          let now = 0
          const used: number[] = []
          for (const { waitMs, want, leadMs, used: share } of steps) {
            now += waitMs
            const reserved = take(flow, wish, want, now, leadMs)
            expect(reserved.at.every((slot) => slot >= now && slot <= now + 250)).toBe(true)
            const kept = Math.ceil(share * reserved.at.length)
            ;[flow] = back(reserved.flow, reserved.mark, reserved.at.length - kept, wish)
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
    const first = take(undefined, settings, 3, 1_000)
    expect(first.at).toEqual([1_000, 1_010, 1_020])
    expect(first.next).toBe(1_030)
    const second = take(first.flow, settings, 99, 1_005)
    expect(second.at[0]).toBe(1_030)
    expect(second.at.at(-1)).toBe(1_250)
    expect(take(second.flow, settings, 1, 1_006).at).toEqual([])
  })

  it('takes slots back only while nothing was reserved behind them', () => {
    const first = take(undefined, settings, 5, 0)
    const [less, taken] = back(first.flow, first.mark, 3)
    expect(taken).toBe(true)
    const again = take(less, settings, 1, 1)
    expect(again.at).toEqual([20])
    expect(back(again.flow, first.mark, 2)).toEqual([again.flow, false])
    expect(back(undefined, 1, 2)[1]).toBe(false)
  })

  it('takes the same slots back once only', () => {
    const first = take(undefined, settings, 5, 0)
    const [less] = back(first.flow, first.mark, 2)
    expect(back(less, first.mark, 2)).toEqual([less, false])
  })

  it('charges what earlier starts cost beyond what was reserved, before it reserves', () => {
    const wish = { limits: [{ perSecond: 100, burst: 0, counts: 'cost' }], rampMs: 0 } as const
    const step = { kind: 'reserve', ...wish, costs: [1, 1], leadMs: 0, horizonMs: 250 } as const
    const [flow] = reserve(undefined, { ...step, charge: 0 }, 0)
    expect(reserve(flow, { ...step, charge: 10 }, 0)[1].at).toEqual([120, 130])
  })

  it('holds for everybody, ramps up afterwards, and a longer hold stands', () => {
    const flow = held(held(take(undefined, settings, 1, 0).flow, 5_000, 0), 2_900, 100)
    expect(take(flow, settings, 1, 4_000)).toMatchObject({ at: [], next: 5_000 })
    const after = take(flow, at(100, 1_000), 3, 5_000).at
    expect(after[0]).toBe(5_000)
    expect((after[1] as number) - 5_000).toBeGreaterThan(40)
    expect(take(held(undefined, 100, 0), settings, 1, 50).at).toEqual([100])
  })

  it('follows a change of the rate from the next slot on', () => {
    const slow = take(undefined, at(0.01), 1, 0)
    expect(slow.next).toBe(100_000)
    expect(take(slow.flow, at(10), 1, 0).at).toEqual([100])
  })
})
