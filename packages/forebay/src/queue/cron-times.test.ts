import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CronTimes, waitFor } from './cron-times.ts'

const BERLIN = 'Europe/Berlin'
const utc = (text: string) => Date.parse(`${text}:00Z`)

/** The ticks in [from, to), by going forwards. */
function ticksOf(times: CronTimes, from: number, to: number): string[] {
  const ticks: string[] = []
  for (let at = times.next(from - 1); at !== undefined && at < to; at = times.next(at)) {
    ticks.push(new Date(at).toISOString().slice(0, 16))
  }
  return ticks
}

/** The same, by going back. */
function ticksBackOf(times: CronTimes, from: number, to: number): string[] {
  const ticks: string[] = []
  for (let at = times.latest(to - 1); at !== undefined && at >= from; at = times.latest(at - 1)) {
    ticks.unshift(new Date(at).toISOString().slice(0, 16))
  }
  return ticks
}

describe('the ticks of a pattern', () => {
  it.each([
    [
      'a fixed time in the hour that is not there: once, when it is over',
      '30 2 * * *',
      '2026-03-28T23:00',
      '2026-03-29T22:00',
      ['2026-03-29T01:00'],
    ],
    [
      'a fixed time in the hour that is there twice: once, the first',
      '30 2 * * *',
      '2026-10-24T22:00',
      '2026-10-25T23:00',
      ['2026-10-25T00:30'],
    ],
    [
      'a list of fixed times is fixed as well',
      '30 2,14 * * *',
      '2026-03-28T23:00',
      '2026-03-29T22:00',
      ['2026-03-29T01:00', '2026-03-29T12:30'],
    ],
    [
      'every half hour: none in the hour that is not there',
      '*/30 * * * *',
      '2026-03-29T00:00',
      '2026-03-29T02:00',
      ['2026-03-29T00:00', '2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30'],
    ],
    [
      'every half hour: all of both in the hour that is there twice',
      '*/30 2 * * *',
      '2026-10-25T00:00',
      '2026-10-25T03:00',
      ['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30'],
    ],
    [
      'a working day of summer and one of winter',
      '0 9 * * MON-FRI',
      '2026-10-23T00:00',
      '2026-10-27T00:00',
      ['2026-10-23T07:00', '2026-10-26T08:00'],
    ],
  ])('%s', (_, cron, from, to, expected) => {
    const times = new CronTimes({ cron, timeZone: BERLIN })
    expect(ticksOf(times, utc(from), utc(to))).toEqual(expected)
    expect(ticksBackOf(times, utc(from), utc(to))).toEqual(expected)
  })

  it('next is after the moment, latest is at it or before it, and between the two there is none', () => {
    const field = (least: number, most: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: least, max: most }).map(String),
        fc.integer({ min: 2, max: 15 }).map((step) => `*/${step}`),
      )
    const cron = fc.tuple(
      field(0, 59),
      field(0, 23),
      fc.constantFrom('*', '1', '*/5', 'L'),
      fc.constantFrom('*', '*/3'),
      fc.constantFrom('*', 'MON', '1-5'),
    )
    const moment = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2030, 0) })
    const zone = fc.constantFrom('UTC', BERLIN, 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu')
    fc.assert(
      fc.property(cron, zone, moment, (fields, timeZone, at) => {
        const times = new CronTimes({ cron: fields.join(' '), timeZone })
        const next = times.next(at) as number
        const latest = times.latest(at) as number
        expect(next).toBeGreaterThan(at)
        expect(latest).toBeLessThanOrEqual(at)
        expect(times.next(latest)).toBe(next)
        expect(times.latest(next)).toBe(next)
        expect(times.latest(next - 1)).toBe(latest)
      }),
      { numRuns: 1_000 },
    )
  })

  it('takes seconds as a sixth field, nicknames, and moments between milliseconds', () => {
    const at = Date.UTC(2026, 0, 1)
    expect(new CronTimes({ cron: '*/20 * * * * *' }).next(at + 0.5)).toBe(at + 20_000)
    expect(new CronTimes({ cron: '*/20 * * * * *' }).latest(at + 0.5)).toBe(at)
    expect(new CronTimes({ cron: '*/20 * * * * *' }).latest(at - 0.5)).toBe(at - 20_000)
    expect(new CronTimes({ cron: '@daily' }).next(at)).toBe(at + 24 * 3_600_000)
  })

  it('does not depend on what time it is', () => {
    vi.useFakeTimers({ now: Date.UTC(1999, 0, 1) })
    onTestFinished(() => void vi.useRealTimers())
    const times = new CronTimes({ cron: '0 0 * * *' })
    expect(times.next(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2026, 0, 2))
    expect(times.latest(Date.UTC(2026, 0, 1))).toBe(Date.UTC(2026, 0, 1))
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each<[string, string, string | undefined, string]>([
    ['words', 'every day', undefined, 'INVALID_OPTION nightly.cron'],
    ['nothing', '', undefined, 'INVALID_OPTION nightly.cron'],
    ['four fields', '* * * *', undefined, 'INVALID_OPTION nightly.cron'],
    ['seven fields', '* * * * * * 2030', undefined, 'INVALID_OPTION nightly.cron'],
    ['the hour 24', '0 24 * * *', undefined, 'INVALID_OPTION nightly.cron'],
    ['a moment', '2030-01-01T00:00:00', undefined, 'INVALID_OPTION nightly.cron'],
    ['the 30th of February', '0 0 30 2 *', undefined, 'INVALID_OPTION nightly.cron'],
    ['the start of the machine', '@reboot', undefined, 'INVALID_OPTION nightly.cron'],
    ['no text', 5 as unknown as string, undefined, 'INVALID_OPTION nightly.cron'],
    ['a zone that is not there', '0 0 * * *', 'Europe/Berlim', 'INVALID_OPTION nightly.timeZone'],
  ])('refuses %s', (_, cron, timeZone, expected) => {
    const [code, path] = expected.split(' ')
    const make = () => new CronTimes({ cron, ...(timeZone !== undefined && { timeZone }) }, 'nightly.cron')
    expect(make).toThrow(expect.objectContaining({ code, path }))
  })
})

it('a wait for a tick is looked at again once a minute, and never negative', () => {
  expect([waitFor(1_500, 1_000), waitFor(900, 1_000), waitFor(1e12, 0), waitFor(Number.POSITIVE_INFINITY, 0)]).toEqual([
    500, 0, 60_000, 60_000,
  ])
})
