import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { type Recurring, recurring } from '../../packages/forebay/src/queue/recurring.ts'
import { DAY, days, HOUR, house, MIDNIGHT, MINUTE, SetClock } from './scene.ts'

describe('a recurring task', () => {
  it('is enqueued at each tick, exactly then, until it is stopped', async () => {
    const { clock, pushed, process } = await house()
    const at: number[] = []
    const recurrence = await process({
      task: (tick) => {
        at.push(clock.now(), tick.at)
        return { type: 'report', payload: { day: tick.at } }
      },
    })
    expect(recurrence.nextAt).toBe(MIDNIGHT + DAY)
    await clock.advance(3 * DAY + HOUR)
    expect(pushed).toEqual(days(2, 3, 4))
    expect(at).toEqual([1, 1, 2, 2, 3, 3].map((day) => MIDNIGHT + day * DAY))
    await recurrence.stop()
    await recurrence.stop()
    await clock.advance(3 * DAY)
    expect(pushed).toHaveLength(3)
    expect(clock.nextDue).toBeUndefined()
  })

  it('is an ordinary task, with an id that tells its tick', async () => {
    const { clock, service, process } = await house()
    await process({
      task: ({ at }) => ({ type: 'report', payload: { at }, key: 'k', priority: 3, delayMs: 500, headers: { a: 'b' } }),
    })
    await clock.advance(DAY)
    const [found] = await service.find([`recurring:nightly@${days(2)[0]}`])
    expect(found).toMatchObject({
      state: 'delayed',
      task: { type: 'report', key: 'k', priority: 3, headers: { a: 'b' } },
    })
  })

  it('keeps its hour when clocks change, and fires once in the hour that is not there or there twice', async () => {
    for (const [from, expected] of [
      ['2026-03-27T12:00', ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30']],
      ['2026-10-23T12:00', ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']],
    ] as const) {
      const { clock, pushed, process } = await house(Date.parse(`${from}:00Z`))
      const recurrence = await process({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' })
      await clock.advance(2.9 * DAY)
      expect(pushed.map((at) => at.slice(0, 16))).toEqual(expected)
      await recurrence.stop()
    }
  })

  it('does not drift, however long it waits: a month and a half', async () => {
    const { clock, pushed, process } = await house()
    const lateness: number[] = []
    const recurrence = await process({
      cron: '0 0 1 * *',
      task: ({ at }) => {
        lateness.push(clock.now() - at)
        return { type: 'report', payload: 1 }
      },
    })
    await clock.advance(32 * DAY)
    expect(pushed).toEqual(days(32))
    expect(lateness).toEqual([0])
    await recurrence.stop()
  })

  it('is typed by the queue, without the fields that are the recurrence’s own', async () => {
    const queue = await LoadLevelingQueue.open('memory:', { tasks: { report: z.object({ day: z.number() }) } })
    const recurrence = recurring(queue, {
      name: 'a',
      cron: '@daily',
      task: ({ at }) => ({ type: 'report', payload: { day: at } }),
    })
    expectTypeOf(recurrence).toEqualTypeOf<Recurring<{ report: z.ZodObject<{ day: z.ZodNumber }, z.core.$strip> }>>()
    // @ts-expect-error The queue has no such type.
    await recurring(queue, { name: 'b', cron: '@daily', task: () => ({ type: 'repot', payload: { day: 1 } }) }).stop()
    await recurrence.stop()
    await queue.close()
  })
})

describe('in several processes', () => {
  it('each tick is enqueued once; one that dies leaves it to the others', async () => {
    const { clock, pushed, told, process } = await house()
    const recurrences = await Promise.all([process(), process(), process()])
    await clock.advance(DAY)
    expect(told.toSorted()).toEqual([
      '2026-01-02T00:00 accepted',
      '2026-01-02T00:00 duplicate',
      '2026-01-02T00:00 duplicate',
    ])
    await recurrences[0]?.stop()
    await recurrences[1]?.stop()
    await clock.advance(DAY)
    expect(pushed).toEqual(days(2, 3))
    await recurrences[2]?.stop()
  })

  it('of different versions as well: who comes second with another task is answered as a duplicate', async () => {
    const { clock, pushed, told, process } = await house()
    const recurrences = await Promise.all([
      process(),
      process({ task: () => ({ type: 'report', payload: 'version 2' }) }),
    ])
    await clock.advance(DAY)
    expect(pushed).toEqual(days(2))
    expect(told.toSorted()).toEqual(['2026-01-02T00:00 accepted', '2026-01-02T00:00 duplicate'])
    await Promise.all(recurrences.map((recurrence) => recurrence.stop()))
  })

  it('with different names they have nothing to do with each other', async () => {
    const { clock, pushed, process } = await house()
    const recurrences = await Promise.all([process(), process({ name: 'other' })])
    await clock.advance(DAY)
    expect(pushed).toEqual(days(2, 2))
    await Promise.all(recurrences.map((recurrence) => recurrence.stop()))
  })

  it('also when the task has run and is long gone before the last process comes, with clocks that differ', async () => {
    const { clock, service, pushed, process } = await house(MIDNIGHT + HOUR)
    const recurrences = await Promise.all(
      [-25, 0, 20].map((minutes) => process({ clock: new SetClock(clock, minutes * MINUTE) })),
    )
    for (let minute = 0; minute < 2 * 24 * 60; minute++) {
      await clock.advance(MINUTE)
      const claims = await service.claim({ max: 10, leaseMs: 1_000, waitMs: 0 })
      await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
    }
    expect(pushed).toEqual(days(2, 3))
    await Promise.all(recurrences.map((recurrence) => recurrence.stop()))
  })

  it('whenever processes come and go: never twice, and never not where one was there', async () => {
    const life = fc.record({
      from: fc.integer({ min: 0, max: 300 }),
      minutes: fc.integer({ min: 1, max: 200 }),
      aheadMs: fc.integer({ min: -20 * MINUTE, max: 20 * MINUTE }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => {
        const { clock, pushed, service, process } = await house()
        const expected = new Set<string>()
        const stops: { readonly at: number; readonly recurrence: Recurring }[] = []
        for (let minute = 0; minute <= 520; minute++) {
          for (const { from, minutes, aheadMs } of lives) {
            if (from !== minute) continue
            const recurrence = await process({ cron: '*/7 * * * *', clock: new SetClock(clock, aheadMs) })
            stops.push({ at: from + minutes, recurrence })
            const begins = clock.now() + aheadMs
            for (let at = Math.floor(begins / MINUTE) * MINUTE; at <= begins + minutes * MINUTE - 1; at += MINUTE) {
              if (at > begins && new Date(at).getUTCMinutes() % 7 === 0) expected.add(new Date(at).toISOString())
            }
          }
          for (const { at, recurrence } of stops) if (at === minute) await recurrence.stop()
          await clock.advance(MINUTE - 1)
          const claims = await service.claim({ max: 100, leaseMs: 1_000, waitMs: 0 })
          await service.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
          await clock.advance(1)
        }
        expect(new Set(pushed).size).toBe(pushed.length)
        for (const at of expected) expect(pushed).toContain(at)
      }),
      { numRuns: 100 },
    )
  })
})
