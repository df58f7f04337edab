import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StartingWorkers } from './starting-workers.ts'

describe('workers that start', () => {
  it('work from when they are ready', () => {
    const workers = new StartingWorkers()
    workers.seen(2, 0, 0, 0)
    workers.add(3, 30_000)
    expect([workers.total, workers.ready, workers.starting]).toEqual([5, 2, 3])
    expect(workers.workMs(30_000, 0)).toBe(60_000)
    expect(workers.workMs(40_000, 0)).toBe(110_000)
    workers.passed(29_999)
    expect([workers.ready, workers.starting]).toEqual([2, 3])
    workers.passed(30_000)
    expect([workers.ready, workers.starting]).toEqual([5, 0])
  })

  it('with fewer, what starts last goes first', () => {
    const workers = new StartingWorkers()
    workers.seen(2, 0, 0, 0)
    workers.add(1, 10_000)
    workers.add(1, 20_000)
    expect(workers.workMs(30_000, 0, 1)).toBe(80_000)
    expect(workers.workMs(30_000, 0, 3)).toBe(30_000)
    workers.remove(3)
    expect([workers.ready, workers.starting]).toEqual([1, 0])
  })

  it('what is seen wins: late ones are expected soon, early ones are there', () => {
    const workers = new StartingWorkers()
    workers.add(2, 10_000)
    workers.passed(10_000)
    workers.seen(1, 1, 10_000, 7_500)
    expect([workers.ready, workers.starting, workers.workMs(10_000, 10_000)]).toEqual([1, 1, 12_500])
    workers.add(1, 40_000)
    // One of the two is there: the one that was to be first.
    workers.seen(2, 1, 12_000, 7_500)
    expect([workers.total, workers.workMs(28_000, 12_000)]).toEqual([3, 56_000])
  })

  it('law: to leave out some is to remove them', () => {
    const group = fc.record({ workers: fc.integer({ min: 0, max: 5 }), readyAtMs: fc.integer({ min: 1, max: 60 }) })
    fc.assert(
      fc.property(
        fc.nat(5),
        fc.array(group, { maxLength: 5 }),
        fc.nat(30),
        fc.nat(100),
        (ready, groups, fewer, span) => {
          const workers = new StartingWorkers()
          workers.seen(ready, 0, 0, 0)
          for (const { workers: count, readyAtMs } of [...groups].sort((a, b) => a.readyAtMs - b.readyAtMs))
            workers.add(count, readyAtMs)
          const gone = Math.min(fewer, workers.total)
          const without = workers.workMs(span, 0, gone)
          workers.remove(gone)
          expect(workers.workMs(span, 0)).toBe(without)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
