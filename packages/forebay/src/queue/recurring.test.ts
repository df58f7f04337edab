import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import type { NewTask, PushResult, QueueService } from '../backends/queue-service.ts'
import { type Clock, VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'
import { type Recurring, recurring, type RecurringOptions } from './recurring.ts'

const MIDNIGHT = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A process's own idea of the time, which may be wrong and may be set. */
class SetClock implements Clock {
  readonly #true: VirtualClock
  aheadMs: number
  constructor(trueClock: VirtualClock, aheadMs = 0) {
    this.#true = trueClock
    this.aheadMs = aheadMs
  }
  now(): number {
    return this.#true.now() + this.aheadMs
  }
  monotonic(): number {
    return this.#true.monotonic()
  }
  after(delayMs: number, fire: () => void) {
    return this.#true.after(delayMs, fire)
  }
}

type Options = Partial<RecurringOptions> & { readonly capabilities?: object; readonly clock?: Clock }

async function house(epoch = MIDNIGHT) {
  const clock = new VirtualClock(epoch)
  const first = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const { service } = first
  const pushed: string[] = []
  const push = service.push.bind(service)
  service.push = async (tasks: readonly NewTask[], ...rest): Promise<PushResult[]> => {
    const results = await push(tasks, ...rest)
    results.forEach((result, index) => {
      if (result.status === 'accepted') pushed.push((tasks[index] as NewTask).id.split('@')[1] as string)
    })
    return results
  }
  const told: string[] = []
  /** One more process with this recurrence, with a clock of its own if it shall have one. */
  const process = async ({ capabilities, clock: own = clock, ...options }: Options = {}) => {
    const view = capabilities ? viewOf(service, { ...service.capabilities, ...capabilities }) : service
    const queue = await LoadLevelingQueue.open(view, { clock: own, random: seededRandom(2) })
    const random = seededRandom(3)
    const settings = {
      name: 'nightly',
      cron: '0 0 * * *',
      task: () => ({ type: 'report', payload: 1 }),
      random,
      ...options,
    }
    const recurrence = recurring(queue, settings)
    recurrence.on('fired', ({ tick, status }) => told.push(`${iso(tick.at)} ${tick.missed ? 'made up ' : ''}${status}`))
    recurrence.on('missed', ({ at }) => told.push(`${iso(at)} missed`))
    recurrence.on('error', ({ tick, error, retryInMs }) => {
      told.push(`${iso(tick.at)} ${error.code}${retryInMs === undefined ? ' given up' : ''}`)
    })
    return recurrence
  }
  return { clock, service, pushed, told, process }
}

function viewOf(service: QueueService, capabilities: QueueService['capabilities']): QueueService {
  return new Proxy(service, {
    get: (target, key) => {
      if (key === 'capabilities') return capabilities
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const iso = (at: number) => new Date(at).toISOString().slice(0, 16)
const days = (...numbers: number[]) => numbers.map((day) => new Date(MIDNIGHT + (day - 1) * DAY).toISOString())

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
      { numRuns: 25 },
    )
  })
})

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

describe('what goes wrong', () => {
  it('a backend that is away is tried again, and the tick is late', async () => {
    const { clock, service, told, process } = await house()
    const push = service.push
    const recurrence = await process()
    service.push = () => Promise.reject(new Error('connection refused'))
    await clock.advance(DAY + 10_000)
    service.push = push
    await clock.advance(MINUTE)
    expect(told.slice(0, -1).every((line) => line === '2026-01-02T00:00 BACKEND_UNAVAILABLE')).toBe(true)
    expect(told.length).toBeGreaterThan(2)
    expect(told.at(-1)).toBe('2026-01-02T00:00 accepted')
    await recurrence.stop()
  })

  it('skip: one that is away for longer than a tick may be late has it missed', async () => {
    const { clock, service, told, process } = await house()
    const push = service.push
    const recurrence = await process()
    service.push = () => Promise.reject(new Error('connection refused'))
    await clock.advance(DAY + HOUR)
    service.push = push
    expect(told.at(-1)).toBe('2026-01-02T00:00 missed')
    await clock.advance(DAY)
    expect(told.at(-1)).toBe('2026-01-03T00:00 accepted')
    await recurrence.stop()
  })

  it('once: it is tried until the next tick takes its place', async () => {
    const { clock, service, told, process } = await house()
    const push = service.push
    const recurrence = await process({ missed: 'once', since: MIDNIGHT + 1 })
    service.push = () => Promise.reject(new Error('connection refused'))
    await clock.advance(DAY + 6 * HOUR)
    service.push = push
    await clock.advance(MINUTE)
    expect(told.at(-1)).toBe('2026-01-02T00:00 accepted')
    await recurrence.stop()
  })

  it('a full queue is asked again when it said, and not before', async () => {
    const { clock, service, told, process } = await house()
    const push = service.push
    const askedAt: number[] = []
    service.push = async (tasks, ...rest) => {
      askedAt.push(clock.now() - MIDNIGHT - DAY)
      return askedAt.length === 1 ? [{ status: 'full', bound: 'depth' }] : push(tasks, ...rest)
    }
    const recurrence = await process()
    await clock.advance(DAY + MINUTE)
    expect(told).toEqual(['2026-01-02T00:00 QUEUE_FULL', '2026-01-02T00:00 accepted'])
    expect(askedAt[0]).toBe(0)
    expect(askedAt[1]).toBeGreaterThanOrEqual(1_000)
    await recurrence.stop()
  })

  it.each<[string, () => unknown, string]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
      'INTERNAL',
    ],
    ['makes what is no task', () => ({ type: '', payload: 1 }), 'INVALID_TASK'],
    ['chooses an id', () => ({ type: 't', payload: 1, id: 'mine' }), 'INVALID_TASK'],
    ['chooses a dedup id', () => ({ type: 't', payload: 1, dedupId: 'mine' }), 'INVALID_TASK'],
  ])('a function that %s loses the tick, says so, and the next one comes', async (_, make, code) => {
    const { clock, told, process } = await house()
    let calls = 0
    const task = () => (calls++ === 0 ? make() : { type: 't', payload: 1 })
    const recurrence = await process({ task: task as RecurringOptions['task'] })
    await clock.advance(2 * DAY)
    expect(told).toEqual([`2026-01-02T00:00 ${code} given up`, '2026-01-03T00:00 accepted'])
    await recurrence.stop()
  })

  it('ends with its queue', async () => {
    const { clock, told } = await house()
    const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(4) })
    recurring(queue, { name: 'a', cron: '@hourly', task: () => ({ type: 't', payload: 1 }) })
    await queue.close()
    await clock.advance(2 * HOUR)
    expect(told).toEqual([])
    expect(clock.nextDue).toBeUndefined()
  })

  it('stops while it waits to try again', async () => {
    const { clock, service, process } = await house()
    const recurrence = await process()
    service.push = () => Promise.reject(new Error('connection refused'))
    await clock.advance(DAY + 1)
    await recurrence.stop()
    expect(clock.nextDue).toBeUndefined()
  })

  it.each<[string, Options, string]>([
    ['a backend that remembers nothing', { capabilities: { maxDedupWindowMs: 0 } }, 'UNSUPPORTED missed'],
    [
      'once, and a backend that forgets before the next tick',
      { missed: 'once', capabilities: { maxDedupWindowMs: DAY } },
      'UNSUPPORTED missed',
    ],
    ['no pattern', { cron: 'daily' }, 'INVALID_OPTION cron'],
    ['no zone', { timeZone: 'Mars' }, 'INVALID_OPTION timeZone'],
    ['no name', { name: '' }, 'INVALID_OPTION name'],
    ['a name with a blank', { name: 'a b' }, 'INVALID_OPTION name'],
    ['a third way', { missed: 'all' as 'once' }, 'INVALID_OPTION missed'],
    ['a since that is no moment', { missed: 'once', since: new Date('x') }, 'INVALID_OPTION since'],
  ])('is refused with %s, at its start', async (_, options, expected) => {
    const { clock, process } = await house()
    const refused = await process(options).catch((thrown: unknown) => thrown)
    expect(refused).toBeInstanceOf(ForebayError)
    const { code, path } = refused as ForebayError
    expect(`${code} ${path}`).toBe(expected)
    expect(clock.nextDue).toBeUndefined()
  })

  it('is content with a short memory, and then less patient: a twelfth of it', async () => {
    const { clock, told, process, service } = await house()
    const recurrence = await process({ capabilities: { maxDedupWindowMs: 120_000 } })
    service.push = () => Promise.reject(new Error('connection refused'))
    await clock.advance(DAY + 10_001)
    expect(told.at(-1)).toBe('2026-01-02T00:00 missed')
    await recurrence.stop()
  })
})
