import { describe, expect, it } from 'vitest'
import { type Clock, VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { adaptive } from './concurrency.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import { type ConsumerLimits, type ConsumerOptions, DEFAULT_LIMITS, withLimits } from './options.ts'
import { wholeWish } from './whole-wish.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BERLIN = 'Europe/Berlin'
const at = (text: string) => Date.parse(`${text}:00Z`)

/** Thirty at night, ten by day. */
const NIGHTLY = [
  { cron: '0 22 * * *', timeZone: BERLIN, limits: { rate: { perSecond: 30 } } },
  { cron: '0 6 * * *', timeZone: BERLIN, limits: { rate: { perSecond: 10 } } },
]

async function house(epoch: number, options: ConsumerOptions, clock: VirtualClock & Clock = new VirtualClock(epoch)) {
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const startedAt: number[] = []
  const consumer = new LeveledConsumer(queue, () => void startedAt.push(clock.now()), {
    random: seededRandom(2),
    concurrency: 100,
    ...options,
  })
  const told: string[] = []
  consumer.on('schedule', ({ entry, at, nextAt }) => {
    const short = (moment: number) => new Date(moment).toISOString().slice(5, 16)
    told.push(`${entry} of ${short(at)} until ${short(nextAt)}`)
  })
  return { clock, queue, consumer, startedAt, told }
}

class SettableClock extends VirtualClock {
  aheadMs = 0
  override now(): number {
    return super.now() + this.aheadMs
  }
}

describe('a schedule of limits', () => {
  it('has each entry take force at its tick and stay until the next, through the nights on which clocks change', async () => {
    const { clock, consumer, told } = await house(at('2026-03-27T12:00'), { schedule: NIGHTLY })
    await consumer.start()
    expect(consumer.limits.perSecond).toBe(10)
    const rates: string[] = []
    for (let hour = 0; hour < 72; hour++) {
      await clock.advance(HOUR)
      const now = new Date(clock.now()).toISOString().slice(8, 13)
      const rate = `${consumer.limits.perSecond}`
      if (!rates.at(-1)?.endsWith(` ${rate}`)) rates.push(`${now} ${rate}`)
    }
    // Berlin is an hour ahead of UTC until the 29th, 01:00 UTC, and two from then on.
    expect(rates).toEqual(['27T13 10', '27T21 30', '28T05 10', '28T21 30', '29T04 10', '29T20 30', '30T04 10'])
    expect(told.slice(0, 3)).toEqual([
      '1 of 03-27T05:00 until 03-27T21:00',
      '0 of 03-27T21:00 until 03-28T05:00',
      '1 of 03-28T05:00 until 03-28T21:00',
    ])
    expect(told).toHaveLength(7)
    await consumer.stop()
    expect(clock.nextDue).toBeUndefined()
  })

  it('at the start the entry whose latest tick is the latest rules, before the first task starts', async () => {
    const { clock, queue, consumer, startedAt } = await house(at('2026-01-10T02:00'), {
      rate: { perSecond: 1, rampMs: 0 },
      schedule: NIGHTLY,
    })
    await queue.enqueueMany(Array.from({ length: 200 }, (_, n) => ({ type: 't', payload: n })))
    await consumer.start()
    await clock.advance(2_000)
    expect(startedAt.length).toBeGreaterThanOrEqual(60)
    expect(startedAt.length).toBeLessThanOrEqual(62)
    await consumer.stop()
  })

  it('changes the rate without a jump or a stall: no gap is longer or shorter than what the rates allow', async () => {
    const { clock, queue, consumer, startedAt } = await house(at('2026-01-10T04:59') + 55_000, {
      rate: { rampMs: 0, perSecond: 1, scope: 'process' },
      schedule: NIGHTLY,
    })
    await queue.enqueueMany(Array.from({ length: 500 }, (_, n) => ({ type: 't', payload: n })))
    await consumer.start()
    await clock.advance(10_000)
    const gaps = startedAt.slice(1).map((time, index) => time - (startedAt[index] as number))
    expect(gaps.slice(0, 148).every((gap) => Math.abs(gap - 1_000 / 30) < 1)).toBe(true)
    expect(Math.min(...gaps)).toBeGreaterThan(1_000 / 30 - 1)
    expect(Math.max(...gaps)).toBeLessThan(101)
    expect(startedAt.length).toBeGreaterThanOrEqual(149 + 49)
    expect(startedAt.length).toBeLessThanOrEqual(151 + 51)
    await consumer.stop()
  })

  it('what an entry does not name is what the options say, whatever the entry before it said', async () => {
    const schedule = [
      {
        cron: '0 22 * * *',
        limits: { concurrency: 7, timeoutMs: 500, rate: { perSecond: 5, burst: 3, also: [{ perHour: 9 }] } },
      },
      { cron: '0 6 * * *', limits: { rate: { perSecond: 10 } } },
      { cron: '0 12 * * *', limits: { rate: null } },
    ]
    const options = { concurrency: 3, rate: { perSecond: 1, rampMs: 70 }, retry: { maxAttempts: 9 }, schedule }
    const { clock, consumer } = await house(at('2026-01-10T23:00'), options)
    await consumer.start()
    const night = { concurrency: 7, timeoutMs: 500, perSecond: 5, maxAttempts: 9 }
    expect(consumer.limits).toMatchObject(night)
    expect(consumer.limits.flow).toMatchObject({ rampMs: 70, limits: [{ burst: 3 }, { perSecond: 9 / 3_600 }] })
    await clock.advance(8 * HOUR)
    expect(consumer.limits).toMatchObject({ concurrency: 3, timeoutMs: 30_000, perSecond: 10, maxAttempts: 9 })
    expect(consumer.limits.flow).toEqual({ rampMs: 70, limits: [{ perSecond: 10, burst: 0, counts: 'tasks' }] })
    await clock.advance(6 * HOUR)
    expect(consumer.limits.perSecond).toBe(Number.POSITIVE_INFINITY)
    await clock.advance(10 * HOUR)
    expect(consumer.limits).toMatchObject(night)
    await consumer.stop()
  })

  it('limits that are changed by hand stay until the next tick', async () => {
    const { clock, consumer } = await house(at('2026-01-10T12:00'), { schedule: NIGHTLY })
    await consumer.start()
    consumer.update({ rate: { perSecond: 3 }, concurrency: 2 })
    await clock.advance(8 * HOUR)
    expect(consumer.limits).toMatchObject({ perSecond: 3, concurrency: 2 })
    await clock.advance(HOUR)
    expect(consumer.limits).toMatchObject({ perSecond: 30, concurrency: 100 })
    await consumer.stop()
  })

  it('keeps what an adaptive concurrency has learned where the entries do not name another', async () => {
    const events: string[] = []
    const { clock, consumer } = await house(at('2026-01-10T12:00'), {
      concurrency: adaptive({ max: 50, initial: 20 }),
      schedule: NIGHTLY,
    })
    consumer.on('limit', ({ reason }) => events.push(reason))
    await consumer.start()
    await clock.advance(2 * DAY)
    expect(consumer.limits.concurrency).toBe(20)
    expect(events).toEqual([])
    await consumer.stop()
  })

  it('of two ticks at one moment the later entry rules', async () => {
    const schedule = [
      { cron: '0 0 * * *', limits: { concurrency: 1 } },
      { cron: '0 0 * * SUN', limits: { concurrency: 2 } },
    ]
    // A Saturday.
    const { clock, consumer } = await house(at('2026-01-10T12:00'), { schedule })
    await consumer.start()
    const seen = [consumer.limits.concurrency]
    for (let day = 0; day < 3; day++) {
      await clock.advance(DAY)
      seen.push(consumer.limits.concurrency)
    }
    expect(seen).toEqual([1, 2, 1, 1])
    await consumer.stop()
  })

  it('ticks while the consumer is paused, not while it is stopped, and takes stock at the next start', async () => {
    const { clock, consumer, told } = await house(at('2026-01-10T12:00'), { schedule: NIGHTLY })
    await consumer.start()
    consumer.pause()
    await clock.advance(10 * HOUR)
    expect(consumer.limits.perSecond).toBe(30)
    await consumer.stop()
    await clock.advance(DAY - 4 * HOUR)
    expect(told).toHaveLength(2)
    for (let start = 0; start < 2; start++) {
      consumer.update({ rate: { perSecond: 1 } })
      await consumer.start()
      expect(consumer.limits.perSecond).toBe(10)
      await consumer.stop()
    }
  })

  it('follows a clock that is set, forwards and back, within a minute', async () => {
    const clock = new SettableClock(at('2026-01-10T12:00'))
    const { consumer } = await house(0, { schedule: NIGHTLY }, clock)
    await consumer.start()
    clock.aheadMs = 10 * HOUR
    await clock.advance(MINUTE)
    expect(consumer.limits.perSecond).toBe(30)
    clock.aheadMs = 0
    await clock.advance(MINUTE)
    expect(consumer.limits.perSecond).toBe(10)
    await consumer.stop()
  })

  it('changes nothing and sets no timer without entries', async () => {
    const { consumer, told } = await house(0, { schedule: [], concurrency: 4 })
    await consumer.start()
    expect([told, consumer.limits.concurrency]).toEqual([[], 4])
    await consumer.stop()
  })

  it.each<[string, ConsumerOptions['schedule'] & {}, string]>([
    ['no pattern', [...NIGHTLY, { cron: 'at night', limits: {} }], 'INVALID_OPTION schedule.2.cron'],
    ['no zone', [{ cron: '@daily', timeZone: 'Berlin', limits: {} }], 'INVALID_OPTION schedule.0.timeZone'],
    [
      'no limit',
      [{ cron: '@daily', limits: { rate: { perSecond: 0 } } }],
      'INVALID_OPTION schedule.0.limits.rate.perSecond',
    ],
    [
      'another scope',
      [{ cron: '@daily', limits: { rate: { perSecond: 5, scope: 'process' } } }],
      'INVALID_OPTION schedule.0.limits.rate.scope',
    ],
  ])('is refused with %s, at once', async (_, schedule, expected) => {
    const [code, path] = expected.split(' ')
    await expect(house(0, { schedule })).rejects.toMatchObject({ code, path })
  })

  it('is refused at once where the backend could not keep what it will say', async () => {
    const queue = await LoadLevelingQueue.open('memory:', { clock: new VirtualClock() })
    const { service } = queue
    const lone = new Proxy(service, {
      get(target, name) {
        if (name === 'shared') return undefined
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const alone = await LoadLevelingQueue.open(lone, { clock: new VirtualClock() })
    const codeOf = (limits: ConsumerLimits) => {
      try {
        new LeveledConsumer(alone, () => undefined, { schedule: [{ cron: '@daily', limits }] })
        return 'taken'
      } catch (thrown) {
        return (thrown as { code: string; path: string }).path
      }
    }
    expect(codeOf({ timeoutMs: 5 })).toBe('taken')
    expect(codeOf({ rate: { perSecond: 5 } })).toBe('schedule.0.limits.rate.scope')
    expect(codeOf({ concurrency: { max: 5, scope: 'queue' } })).toBe('schedule.0.limits.concurrency.scope')
    await queue.close()
  })
})

it.each<[string, ConsumerLimits]>([
  ['nothing', {}],
  ['one rate', { rate: { perMinute: 90, burst: 4, rampMs: 1 } }],
  ['several', { rate: { perSecond: 5, also: [{ perHour: 7, counts: 'cost' }] }, concurrency: 4, timeoutMs: 7 }],
  ['limits for keys', { perKey: { concurrency: 2, rate: { perMinute: 6 } } }],
  [
    'a concurrency of the queue',
    { concurrency: { max: 9, scope: 'queue' }, retry: { maxAttempts: 1, baseMs: 2, capMs: 3 } },
  ],
  ['one that is found', { concurrency: adaptive({ max: 9 }) }],
])('a whole wish gives the same limits over any others: %s', (_, wish) => {
  const limits = withLimits(DEFAULT_LIMITS, wish)
  const others: ConsumerLimits[] = [
    {},
    { rate: { perSecond: 8, burst: 9, counts: 'cost', also: [{ perSecond: 1 }], rampMs: 3 } },
    { concurrency: { max: 3, scope: 'queue' }, perKey: { concurrency: 1 }, timeoutMs: 1, retry: { maxAttempts: 2 } },
  ]
  for (const other of others) {
    const again = withLimits(withLimits(DEFAULT_LIMITS, other), wholeWish(limits))
    // Without a rate the ramp means nothing.
    const comparable = wish.rate ? again : { ...again, flow: { ...again.flow, rampMs: limits.flow.rampMs } }
    expect(comparable).toEqual(limits)
    expect(again.learning).toBe(limits.learning)
  }
})
