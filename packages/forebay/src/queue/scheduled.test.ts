import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { LeveledConsumer } from '../consumer/leveled-consumer.ts'
import type { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import type { TaskInput } from '../task.ts'
import { admit, type AdmissionRules } from './admission.ts'
import { LoadLevelingQueue } from './load-leveling-queue.ts'

const NOW = Date.UTC(2026, 0, 1)
const YEAR_MS = 365 * 24 * 3_600_000

function rulesOf(capabilities: Partial<Capabilities>, now = NOW): AdmissionRules {
  const endless = { maxDelayMs: Number.POSITIVE_INFINITY, maxDedupWindowMs: Number.POSITIVE_INFINITY }
  return {
    backend: 'memory',
    capabilities: { ...endless, ...capabilities } as Capabilities,
    maxPayloadBytes: 100,
    dedupWindowMs: 1_000,
    weightOf: () => undefined,
    now: () => now,
  }
}

async function open() {
  const clock = new VirtualClock(NOW)
  return { clock, queue: await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) }) }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error: ForebayError) => `${error.code} ${error.path ?? ''}`.trim(),
  )

describe('a task that is scheduled', () => {
  it.each([
    ['a Date', new Date(NOW + 90_000)],
    ['epoch milliseconds', NOW + 90_000],
  ])('starts at its moment and not before: %s', async (_, at) => {
    const { clock, queue } = await open()
    const startedAt: number[] = []
    const consumer = new LeveledConsumer(queue, () => void startedAt.push(clock.now()), { random: seededRandom(2) })
    await queue.enqueue({ type: 't', payload: 1, at })
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 1 })
    await consumer.start()
    await clock.advance(120_000)
    expect(startedAt).toEqual([NOW + 90_000])
    await consumer.stop()
  })

  it('is ready at once when its moment has passed', async () => {
    const { queue } = await open()
    await queue.enqueueMany([NOW, NOW - 1, NOW - 9 * YEAR_MS].map((at) => ({ type: 't', payload: 1, at })))
    expect(await queue.depth()).toMatchObject({ ready: 3, delayed: 0 })
  })

  it('has the least whole delay that is not too early, by the clock of the queue', () => {
    const moment = fc.double({ min: NOW - 5 * YEAR_MS, max: NOW + 4 * YEAR_MS, noNaN: true })
    fc.assert(
      fc.property(moment, moment, (at, now) => {
        const { delayMs } = admit({ type: 't', payload: 1, at }, () => 'id', rulesOf({}, now))
        expect(delayMs).toBe(Math.max(0, Math.ceil(at - now)))
        expect(Number.isInteger(delayMs)).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it.each<[string, object, string]>([
    ['a delay beside the moment', { at: NOW, delayMs: 0 }, 'INVALID_TASK at'],
    ['seconds for milliseconds', { at: NOW / 1_000 }, 'INVALID_TASK at'],
    ['microseconds for milliseconds', { at: NOW * 1_000 }, 'INVALID_TASK at'],
    ['a Date that is none', { at: new Date('tomorrow') }, 'INVALID_TASK at'],
    ['NaN', { at: Number.NaN }, 'INVALID_TASK at'],
    ['Infinity', { at: Number.POSITIVE_INFINITY }, 'INVALID_TASK at'],
    ['a text', { at: '2026-05-01T00:00:00Z' }, 'INVALID_TASK at'],
    ['null', { at: null }, 'INVALID_TASK at'],
    ['a window of dedup without an id', { dedupWindowMs: 5 }, 'INVALID_TASK dedupId'],
    ['a window of dedup of nothing', { dedupId: 'd', dedupWindowMs: 0 }, 'INVALID_TASK dedupWindowMs'],
  ])('is refused with %s', async (_, fields, expected) => {
    const { queue } = await open()
    expect(await codeOf(queue.enqueue({ type: 't', payload: 1, ...fields } as TaskInput))).toBe(expected)
    expect((await queue.depth()).totals?.accepted).toBe(0)
  })

  it('is refused where the backend cannot wait so long, or remember so long', async () => {
    const rules = rulesOf({ maxDelayMs: 900_000, maxDedupWindowMs: 300_000 })
    const admitted = async (fields: object) => admit({ type: 't', payload: 1, ...fields }, () => 'id', rules)
    expect(await codeOf(admitted({ at: NOW + 900_000 }))).toBe('resolved')
    expect(await codeOf(admitted({ at: NOW + 900_001 }))).toBe('UNSUPPORTED at')
    expect(await codeOf(admitted({ dedupId: 'd', dedupWindowMs: 300_000 }))).toBe('resolved')
    expect(await codeOf(admitted({ dedupId: 'd', dedupWindowMs: 300_001 }))).toBe('UNSUPPORTED dedupId')
  })
})

it("a task's own window of dedup rules over the queue's", async () => {
  const { clock, queue } = await open()
  const enqueue = async (dedupWindowMs?: number) => {
    const window = dedupWindowMs === undefined ? {} : { dedupWindowMs }
    return (await queue.enqueue({ type: 't', payload: 1, dedupId: `d${dedupWindowMs}`, ...window })).status
  }
  for (const window of [1_000, undefined, 600_000]) await enqueue(window)
  await clock.advance(1_001)
  expect(await Promise.all([enqueue(1_000), enqueue(), enqueue(600_000)])).toEqual([
    'accepted',
    'duplicate',
    'duplicate',
  ])
  await clock.advance(299_000)
  expect(await Promise.all([enqueue(), enqueue(600_000)])).toEqual(['accepted', 'duplicate'])
})
