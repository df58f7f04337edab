import { AssertionError } from 'node:assert'
import { describe, expect, it } from 'vitest'
import { expectLeveled, type LevelingBounds, type LevelingScene } from './expect-leveled.ts'

const TRACE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

const scene: LevelingScene = {
  trace: TRACE,
  serviceTime: 'exp:300ms',
  workers: 2,
  consumer: { rate: { perSecond: 5.2, rampMs: 0 }, concurrency: 3 },
}

const failureOf = async (...given: Parameters<typeof expectLeveled>) => {
  const failure = await expectLeveled(...given).catch((thrown: unknown) => thrown)
  expect(failure).toBeInstanceOf(AssertionError)
  return failure as AssertionError
}

describe('expectLeveled', () => {
  it('passes where every bound is kept, and tells what was seen', async () => {
    const seen = await expectLeveled(scene, {
      p99WaitMs: 30_000,
      startsIn1s: 6,
      startsIn100ms: 2,
      running: 6,
      peakDepth: 200,
    })
    expect(seen).toMatchObject({ refused: 0, dead: 0, lost: 0, startsIn1s: 6 })
    expect(seen.p99WaitMs).toBeGreaterThan(20_000)
    // A bound is kept by what equals it.
    await expectLeveled(scene, { p99WaitMs: seen.p99WaitMs, peakDepth: seen.peakDepth })
  })

  it('fails with a sentence for each bound: the measure, its bound and what was seen', async () => {
    const failure = await failureOf(scene, { p99WaitMs: 1_000, peakDepth: 10, startsIn1s: 6 })
    expect(failure.message).toMatch(/^The load was not leveled as expected:\n/)
    expect(failure.message).toMatch(/p99WaitMs: the p99 wait was 2\d(\.\d)? s, and may be at most 1 s\.\n/)
    expect(failure.message).toMatch(/peakDepth: the peak depth was \d+ tasks, and may be at most 10 tasks\.\n/)
    expect(failure.message).toMatch(
      /At 5\.2\/s no queue can have a p99 wait below 2\d(\.\d)? s: the rate is too low\.$/,
    )
    expect(failure.message).not.toContain('startsIn1s')
    expect(failure.expected).toEqual({ p99WaitMs: 1_000, peakDepth: 10, startsIn1s: 6, refused: 0, dead: 0, lost: 0 })
    expect(Object.keys(failure.actual as object)).toEqual(Object.keys(failure.expected as object))
  })

  it('blames the rate only where it is to blame', async () => {
    const slow = { ...scene, workers: 1, consumer: { rate: { perSecond: 50 }, concurrency: 1 } }
    const failure = await failureOf(slow, { p99WaitMs: 1_000 })
    expect(failure.message).not.toContain('the rate is too low')
  })

  it('looks for refused, dead and lost tasks even where it was not asked', async () => {
    const burst = { trace: new Float64Array(10), serviceTime: 100, consumer: {} }
    const full = await failureOf({ ...burst, queue: { maxDepth: 4 } }, { maxWaitMs: 60_000 })
    expect(full.message).toContain('refused: the number of refused tasks was 6, and may be at most 0.')
    await expectLeveled({ ...burst, queue: { maxDepth: 4 } }, { maxWaitMs: 60_000, refused: 6 })
    const outcome = () => {
      throw new Error('down')
    }
    const died = await failureOf({ ...burst, outcome }, { maxWaitMs: 600_000 })
    expect(died.message).toContain('dead: the number of dead letters was 10')
    const retry = { maxAttempts: 1_000 }
    const hung = await failureOf({ ...burst, outcome, consumer: { retry }, patienceMs: 1_000 }, { maxWaitMs: 60_000 })
    expect(hung.message).toContain('lost: the number of tasks that expired, were dropped or never ended was 10')
  })

  it.each([
    [{}, 'no bound is given'],
    [{ p99: 3 } as LevelingBounds, '"p99" is no measure; there are meanWaitMs'],
    [{ p99WaitMs: Number.NaN }, 'p99WaitMs must be a number from 0'],
  ] as [LevelingBounds, string][])('refuses the bounds %j', async (bounds, fault) => {
    await expect(expectLeveled(scene, bounds)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(fault),
    })
  })

  it('says what is wrong with a trace or a service time', async () => {
    await expect(expectLeveled({ ...scene, trace: '/no/such.csv' }, { p99WaitMs: 1 })).rejects.toMatchObject({
      code: 'INVALID_TRACE',
    })
    await expect(expectLeveled({ ...scene, serviceTime: 'soon' }, { p99WaitMs: 1 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })
})
