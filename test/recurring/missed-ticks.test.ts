import { describe, expect, it } from 'vitest'
import { DAY, days, HOUR, house, MIDNIGHT, MINUTE, SetClock } from './scene.ts'

describe('ticks that were missed', () => {
  it('skip: nothing comes of those before the start, and it says so of those while it was frozen', async () => {
    const { clock, pushed, told, process } = await house(MIDNIGHT + 1)
    const own = new SetClock(clock)
    const recurrence = await process({ cron: '0 * * * *', clock: own })
    await clock.advance(HOUR - 10 * MINUTE)
    // The machine sleeps: its timers stand still, the time of the day goes on.
    own.aheadMs = 5 * HOUR + 30 * MINUTE
    await clock.advance(20 * MINUTE)
    expect(told).toEqual(['2026-01-01T06:00 missed'])
    await clock.advance(30 * MINUTE)
    expect(pushed.map((at) => at.slice(0, 16))).toEqual(['2026-01-01T07:00'])
    await recurrence.stop()
  })

  it('a tick that is at most five minutes late is no missed one', async () => {
    for (const [lateMs, expected] of [
      [5 * MINUTE - 1, ['2026-01-02T00:00 accepted']],
      [5 * MINUTE, ['2026-01-02T00:00 missed']],
    ] as const) {
      const { clock, told, process } = await house()
      const own = new SetClock(clock)
      const recurrence = await process({ clock: own })
      // Its timer of 60 s was set here, and falls due after the machine slept.
      await clock.advance(DAY - MINUTE)
      await clock.advance(1)
      own.aheadMs = lateMs
      await clock.advance(MINUTE - 1)
      expect(told).toEqual(expected)
      await recurrence.stop()
    }
  })

  it('once: the last one is made up for when a process starts, whatever the number', async () => {
    const { clock, pushed, told, process } = await house()
    const before = await process({ missed: 'once', since: MIDNIGHT })
    await clock.advance(DAY + HOUR)
    await before.stop()
    await clock.advance(4.5 * DAY)
    const recurrences = await Promise.all([
      process({ missed: 'once', since: MIDNIGHT }),
      process({ missed: 'once', since: MIDNIGHT }),
    ])
    await clock.advance(MINUTE)
    expect(pushed).toEqual(days(1, 2, 6))
    expect(told.slice(2).toSorted()).toEqual([
      '2026-01-06T00:00 made up accepted',
      '2026-01-06T00:00 made up duplicate',
    ])
    await clock.advance(DAY)
    expect(pushed).toEqual(days(1, 2, 6, 7))
    await Promise.all(recurrences.map((recurrence) => recurrence.stop()))
  })

  it('once: nothing is made up for that was enqueued, however long ago and whatever became of the task', async () => {
    const { clock, service, pushed, told, process } = await house()
    const monthly = { cron: '0 0 1 * *', missed: 'once', since: MIDNIGHT + 1 } as const
    const before = await process(monthly)
    await clock.advance(31 * DAY + HOUR)
    await before.stop()
    const claims = await service.claim({ max: 10, leaseMs: 1_000, waitMs: 0 })
    await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    await clock.advance(27 * DAY)
    const after = await process(monthly)
    await clock.advance(MINUTE)
    expect(pushed).toHaveLength(1)
    expect(told).toEqual(['2026-02-01T00:00 accepted', '2026-02-01T00:00 made up duplicate'])
    await after.stop()
  })

  it('once: the very first start makes up for the last tick, unless since says that none was due', async () => {
    for (const [since, expected] of [
      [undefined, days(1)],
      [new Date(MIDNIGHT), days(1)],
      [MIDNIGHT + 1, []],
    ] as const) {
      const { clock, pushed, process } = await house(MIDNIGHT + HOUR)
      const recurrence = await process({ missed: 'once', ...(since !== undefined && { since }) })
      await clock.advance(MINUTE)
      expect(pushed).toEqual(expected)
      await recurrence.stop()
    }
  })

  it('once: a tick in time makes up for the missed ones before it', async () => {
    const { clock, told, process } = await house(MIDNIGHT + 1)
    const own = new SetClock(clock)
    const recurrence = await process({ cron: '0 * * * *', missed: 'once', since: MIDNIGHT + 1, clock: own })
    await clock.advance(MINUTE)
    own.aheadMs = 5.5 * HOUR
    await clock.advance(59 * MINUTE)
    expect(told).toEqual(['2026-01-01T05:00 made up accepted', '2026-01-01T06:00 accepted'])
    own.aheadMs = 9 * HOUR + MINUTE
    await clock.advance(MINUTE)
    expect(told.slice(2)).toEqual(['2026-01-01T10:00 accepted'])
    await recurrence.stop()
  })
})

describe('a clock that is set', () => {
  it('back by half an hour: no tick twice', async () => {
    const { clock, pushed, process } = await house(MIDNIGHT + 1)
    const own = new SetClock(clock)
    const recurrence = await process({ cron: '*/10 * * * *', clock: own })
    await clock.advance(HOUR)
    own.aheadMs = -30 * MINUTE
    await clock.advance(40 * MINUTE)
    expect(pushed).toHaveLength(7)
    expect(new Set(pushed).size).toBe(7)
    await recurrence.stop()
  })

  it('ten years ahead and back again: no burst, and it does not wait for ten years', async () => {
    const { clock, pushed, process } = await house(MIDNIGHT + 1)
    const own = new SetClock(clock)
    const recurrence = await process({ cron: '* * * * *', clock: own })
    await clock.advance(3 * MINUTE)
    own.aheadMs = 3_650 * DAY
    await clock.advance(MINUTE)
    expect(pushed.length).toBeLessThanOrEqual(3 + 6)
    own.aheadMs = 0
    const before = pushed.length
    await clock.advance(10 * MINUTE)
    expect(pushed.length - before).toBeGreaterThanOrEqual(9)
    await recurrence.stop()
  })
})
