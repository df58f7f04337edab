import { describe, expect, it } from 'vitest'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { LoadLevelingQueue } from '../../packages/forebay/src/queue/load-leveling-queue.ts'
import { recurring, type RecurringOptions } from '../../packages/forebay/src/queue/recurring.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { DAY, HOUR, house, MIDNIGHT, MINUTE, type Options } from './scene.ts'

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
