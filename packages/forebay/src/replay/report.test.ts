import { expect, it } from 'vitest'
import { figuresOf } from './figures.ts'
import { reportOf, troubleOf } from './report.ts'

const record = {
  rate: 10,
  durationMs: 1_000,
  dueMs: [0, 0],
  door: ['accepted', 'accepted'] as const,
  doorCompletes: false,
  arrivals: [
    { index: 0, atMs: 0, served: true },
    { index: 1, atMs: 1_100, served: true },
  ],
  dead: 0,
  stillQueued: 0,
}

it('puts each figure beside its bound', () => {
  const report = reportOf(figuresOf(record))
  expect(report).toContain('2 requests in 1.00 s at 10/s')
  expect(report).toContain('2 completed, 0 refused, 0 failed, 0 dead, 0 lost')
  expect(report).toContain('wait, max   1.10 s (no queue at this rate can have less than 100 ms)')
})

it('names no bound without a rate, and says what is unknown', () => {
  const report = reportOf(figuresOf({ ...record, rate: undefined, arrivals: undefined }))
  expect(report).not.toContain('no queue')
  expect(report).toContain('at most unknown in any second')
})

it('tells what the producer went through, if there was anything', () => {
  const quiet = {
    startEpochMs: 0,
    door: [],
    endedMs: new Float64Array(),
    refusals: { refusals: 0, withRetryAfter: 0, obeyed: 0, acceptedThen: 0 },
    failures: new Map<string, number>(),
  }
  expect(troubleOf(quiet)).toBeUndefined()
  const refusals = { refusals: 10, withRetryAfter: 9, obeyed: 8, acceptedThen: 7 }
  const trouble = troubleOf({ ...quiet, refusals, failures: new Map([['ECONNRESET', 3]]) })
  expect(trouble).toContain('10 refusals, 9 of them with Retry-After; 87.5% of those who obeyed it got in')
  expect(trouble).toContain('3 attempts: ECONNRESET')
})
