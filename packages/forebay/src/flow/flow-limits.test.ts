import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FlowLimit, FlowLimits, type FlowSettings, startsPerSecond, startsWithin } from './flow-limits.ts'
import { TOLERANCE_MS } from './pacer.ts'

const limit = (perSecond: number, counts: FlowLimit['counts'] = 'tasks', burst = 0): FlowLimit => ({
  perSecond,
  counts,
  burst,
})
const at = (...limits: FlowLimit[]): FlowSettings => ({ limits, rampMs: 0 })

const limits = fc.array(
  fc.record({
    perSecond: fc.double({ min: 0.1, max: 5_000, noNaN: true }),
    burst: fc.nat(20),
    counts: fc.constantFrom<FlowLimit['counts'][]>('tasks', 'cost'),
  }),
  { minLength: 1, maxLength: 4 },
)
const costs = fc.array(fc.double({ min: 0.1, max: 50, noNaN: true }), { minLength: 2, maxLength: 80 })

/** Starts as early as all limits allow, each at most a little late. */
function run(flow: FlowLimits, all: readonly number[], late: number): { at: number; cost: number }[] {
  let now = 0
  return all.map((cost) => {
    now = Math.max(now, flow.nextAt) + late
    flow.take(now, cost)
    return { at: now, cost }
  })
}

/** What the starts of each window that begins with one come to by this limit, the last start left out. */
function mostBefore(starts: readonly { at: number; cost: number }[], windowMs: number, { counts }: FlowLimit): number {
  const amounts = starts.map((start) => (counts === 'cost' ? start.cost : 1))
  return Math.max(
    ...starts.map(({ at: from }, first) => {
      const last = starts.findLastIndex((start) => start.at < from + windowMs)
      return amounts.slice(first, last).reduce((sum, amount) => sum + amount, 0)
    }),
  )
}

describe('FlowLimits', () => {
  it('law: every limit holds in every window, whatever the others are', () => {
    const windows = fc.double({ min: 1, max: 10_000, noNaN: true })
    fc.assert(
      fc.property(limits, costs, fc.double({ min: 0, max: 10, noNaN: true }), windows, (all, tasks, late, windowMs) => {
        const starts = run(new FlowLimits(at(...all)), tasks, late)
        for (const one of all) {
          const most = one.burst + (one.perSecond * (windowMs + TOLERANCE_MS)) / 1_000
          expect(mostBefore(starts, windowMs, one)).toBeLessThanOrEqual(most * (1 + 1e-9))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: no limit stands unused: each start comes when the last of the limits allows it', () => {
    fc.assert(
      fc.property(limits, costs, (all, tasks) => {
        const together = new FlowLimits(at(...all))
        const apart = all.map((one) => new FlowLimits(at(one)))
        let now = 0
        for (const cost of tasks) {
          const expected = Math.max(now, ...apart.map(({ nextAt }) => nextAt))
          now = Math.max(now, together.nextAt)
          expect(now).toBe(expected)
          for (const flow of [together, ...apart]) flow.take(now, cost)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it("60 a minute and 4 a second hold together, the minute's burst at the second's pace", () => {
    const starts = run(new FlowLimits(at(limit(1, 'tasks', 29), limit(4))), new Array(200).fill(1), 0)
    const within = (ms: number) =>
      Math.max(...starts.map(({ at: from }) => starts.filter((s) => s.at >= from && s.at < from + ms).length))
    expect(within(1_000)).toBe(4)
    // The burst, and what the rate gives within a half-open minute.
    expect(within(60_000)).toBe(89)
    expect(starts[4]?.at).toBe(1_000)
  })

  it('counts what tasks cost: a costly one delays the next, a charge afterwards as well', () => {
    const flow = new FlowLimits(at(limit(100), limit(1_000, 'cost')))
    flow.take(0, 500)
    expect(flow.nextAt).toBe(500)
    flow.take(500, 1)
    // Of the time for which the limit on starts stood unused it makes up for no more than a late timer's.
    expect(flow.nextAt).toBe(506)
    flow.charge(100, 505)
    expect(flow.nextAt).toBe(601)
  })

  it('reserves slots for the costs in their order, and takes the last ones back', () => {
    const flow = new FlowLimits(at(limit(100), limit(1_000, 'cost')))
    expect(flow.reserve([100, 1, 50, 1], 1_000, 1_120)).toEqual([1_000, 1_100, 1_110])
    expect(flow.nextAt).toBe(1_160)
    flow.giveBack([1, 50])
    // The limit on costs stood unused for 9 ms while the other one ruled; that time does not come back.
    expect(flow.nextAt).toBe(1_109)
  })

  it('law: slots that were given back and reserved again break no limit', () => {
    fc.assert(
      fc.property(limits, costs, fc.double({ min: 0, max: 1, noNaN: true }), (all, tasks, share) => {
        const flow = new FlowLimits(at(...all))
        const slots = flow.reserve(tasks, 0, 2_000)
        const kept = Math.ceil(share * slots.length)
        flow.giveBack(tasks.slice(kept, slots.length))
        const again = flow.reserve(tasks, 0, 4_000)
        const starts = [
          ...slots.slice(0, kept).map((slot, index) => ({ at: slot, cost: tasks[index] as number })),
          ...again.map((slot, index) => ({ at: slot, cost: tasks[index] as number })),
        ].sort((a, b) => a.at - b.at)
        if (starts.length === 0) return
        for (const one of all) {
          expect(mostBefore(starts, 500, one)).toBeLessThanOrEqual(
            (one.burst + one.perSecond * 0.5) * (1 + 1e-9) + 1e-9,
          )
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('goes on as data where it was, and a limit that is new begins anew but keeps a hold', () => {
    const flow = new FlowLimits(at(limit(10)))
    expect(flow.state).toBeUndefined()
    flow.take(0, 1)
    const state = flow.state as NonNullable<FlowLimits['state']>
    expect(FlowLimits.resume(state, at(limit(10)), 50).nextAt).toBe(100)
    expect(FlowLimits.resume(state, at(limit(20)), 50).nextAt).toBe(75)
    expect(FlowLimits.resume(state, at(limit(0.01, 'cost')), 50).nextAt).toBe(Number.NEGATIVE_INFINITY)
    flow.hold(5_000)
    const held = flow.state as NonNullable<FlowLimits['state']>
    expect(FlowLimits.resume(held, at(limit(0.01, 'cost')), 50).nextAt).toBe(5_000)
  })

  it('changes its limits at run time: what stays goes on, what is new begins anew, a slow one that goes holds nothing up', () => {
    const flow = new FlowLimits(at(limit(10), limit(0.01)))
    flow.take(0, 1)
    expect(flow.nextAt).toBe(100_000)
    flow.change(at(limit(10)), 20)
    expect(flow.nextAt).toBe(100)
    flow.change(at(limit(10), limit(5, 'cost')), 20)
    expect(flow.nextAt).toBe(100)
    flow.hold(3_000)
    flow.change(at(limit(10), limit(5, 'cost'), limit(7)), 20)
    expect(flow.nextAt).toBe(3_000)
  })

  it('foresees how many starts fit by what tasks cost of late', () => {
    const flow = new FlowLimits(at(limit(1_000, 'cost')))
    expect(flow.startsUntil(1_000, 0)).toBe(1_001)
    for (let time = 0; time < 10; time++) flow.take(time * 100, 100)
    expect(flow.startsUntil(2_000, 1_000)).toBe(11)
    const both = new FlowLimits(at(limit(10), limit(100)))
    both.take(0, 1)
    expect(both.startsUntil(1_000, 0)).toBe(10)
    expect(startsWithin(at(limit(100), limit(1_000, 'cost')), 1_000, 50)).toBe(21)
    expect(startsWithin(at(limit(100), limit(1_000, 'cost')), 1_000, 1)).toBe(101)
    expect(startsWithin(at(limit(100)), -1, 1)).toBe(0)
    expect(startsPerSecond([limit(100), limit(40), limit(1, 'cost')])).toBe(40)
    expect(startsPerSecond([limit(1, 'cost')])).toBe(Number.POSITIVE_INFINITY)
  })
})
