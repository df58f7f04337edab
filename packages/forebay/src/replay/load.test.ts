import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { answerOf } from './doors.ts'
import { type Answer, type Door, type LoadOptions, offerLoad, RETRY_UNANSWERED_MS } from './load.ts'

const accepted: Answer = { end: 'accepted' }

/** Runs a load on a virtual clock to its end, and notes when each attempt was made. */
async function play(dueMs: readonly number[], answer: Door, options: Partial<LoadOptions> = {}, stepMs = 1_000) {
  const clock = new VirtualClock()
  const attempts: { index: number; atMs: number }[] = []
  let ended = false
  const knock: Door = (index, signal) => {
    attempts.push({ index, atMs: clock.monotonic() })
    return answer(index, signal)
  }
  const load = offerLoad(dueMs, knock, { clock, ...options }).finally(() => {
    ended = true
  })
  load.catch(() => undefined)
  while (!ended) await clock.advance(stepMs)
  return { report: await load, attempts }
}

const never: Door = (_, signal) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({ end: 'failed', why: 'aborted' })))

describe('an open loop', () => {
  it('sends each request when it is due', async () => {
    const { attempts, report } = await play([0, 100, 100, 250], async () => accepted)
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 100, 100, 250])
    expect(report.door).toEqual(['accepted', 'accepted', 'accepted', 'accepted'])
    expect(report.refusals).toEqual({ refusals: 0, withRetryAfter: 0, obeyed: 0, acceptedThen: 0 })
  })

  it('is not slowed by a door that never answers, and gives each request its time', async () => {
    const { attempts, report } = await play([0, 10, 20], never, { timeoutMs: 5_000 })
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 10, 20])
    expect(report.door).toEqual(['failed', 'failed', 'failed'])
    expect([...report.endedMs]).toEqual([5_000, 5_010, 5_020])
    expect(report.failures).toEqual(new Map([['no answer in time', 3]]))
  })

  it('sends each request once, without retries', async () => {
    const refused: Answer = { end: 'refused', retryAfterMs: 1_000 }
    const { attempts, report } = await play([0, 0], async () => refused)
    expect(attempts).toHaveLength(2)
    expect(report.door).toEqual(['refused', 'refused'])
    expect(report.refusals).toEqual({ refusals: 2, withRetryAfter: 2, obeyed: 0, acceptedThen: 0 })
  })

  it('tells how far it is', async () => {
    let last: unknown
    await play([0, 1], async (index) => (index === 0 ? accepted : { end: 'failed', why: 'status 500' }), {
      onChange: (progress) => {
        last = { ...progress }
      },
    })
    expect(last).toEqual({ offered: 2, accepted: 1, refused: 0, failed: 1 })
  })

  it('ends at once when its signal aborts', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const load = offerLoad([0, 60_000], never, { clock, signal: stop.signal })
    const outcome = expect(load).rejects.toThrow('enough')
    await clock.advance(10)
    stop.abort(new Error('enough'))
    await outcome
    expect(clock.nextDue).toBeUndefined()
  })
})

describe('a producer that obeys', () => {
  it('comes again exactly when it was told to, until it is accepted', async () => {
    let calls = 0
    const door: Door = async () => (++calls < 3 ? { end: 'refused', retryAfterMs: 2_000 } : accepted)
    const { attempts, report } = await play([0], door, { retry: true })
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 2_000, 4_000])
    expect(report.door).toEqual(['accepted'])
    expect(report.refusals).toEqual({ refusals: 2, withRetryAfter: 2, obeyed: 2, acceptedThen: 1 })
  })

  it('does not count as obeying what was not told', async () => {
    let calls = 0
    const door: Door = async () => (++calls < 2 ? { end: 'refused', retryAfterMs: undefined } : accepted)
    const { report } = await play([0], door, { retry: true })
    expect(report.refusals).toEqual({ refusals: 1, withRetryAfter: 0, obeyed: 0, acceptedThen: 0 })
  })

  it('sends again what had no answer', async () => {
    let calls = 0
    const door: Door = async () => (++calls < 2 ? { end: 'failed', why: 'ECONNREFUSED' } : accepted)
    const { attempts, report } = await play([0], door, { retry: true })
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, RETRY_UNANSWERED_MS])
    expect(report.door).toEqual(['accepted'])
    expect(report.failures).toEqual(new Map([['ECONNREFUSED', 1]]))
  })

  it('gives up in the end', async () => {
    const door: Door = async () => ({ end: 'refused', retryAfterMs: 4_000 })
    const { attempts, report } = await play([0], door, { retry: true, giveUpMs: 10_000 })
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 4_000, 8_000])
    expect(report.door).toEqual(['refused'])
  })
})

describe('what a door says', () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1, 12, 0, 0))

  it.each([
    [202, undefined, { end: 'accepted' }],
    [429, '3', { end: 'refused', retryAfterMs: 3_000 }],
    [429, undefined, { end: 'refused', retryAfterMs: undefined }],
    [429, 'soon', { end: 'refused', retryAfterMs: undefined }],
    [503, 'Thu, 01 Jan 2026 12:00:07 GMT', { end: 'refused', retryAfterMs: 7_000 }],
    [503, 'Thu, 01 Jan 2026 11:00:00 GMT', { end: 'failed', why: 'status 503' }],
    [503, undefined, { end: 'failed', why: 'status 503' }],
    [500, '3', { end: 'failed', why: 'status 500' }],
    [404, undefined, { end: 'failed', why: 'status 404' }],
  ])('%i with Retry-After %s', (status, retryAfter, answer) => {
    expect(answerOf(status, retryAfter, clock)).toEqual(answer)
  })
})
