import { describe, expect, it } from 'vitest'
import { parseServiceTime, serviceTimes } from './service-time.ts'
import { mean, percentile } from './statistics.ts'

const COUNT = 100_000

describe('service times', () => {
  it('are constant where a span is said', () => {
    expect([...serviceTimes(parseServiceTime('120ms'), 3)]).toEqual([120, 120, 120])
  })

  it('are exponential: mean m, median m ln 2', () => {
    const times = serviceTimes(parseServiceTime('exp:200ms'), COUNT)
    expect((mean(times) as number) / 200).toBeCloseTo(1, 1)
    expect((percentile(times.toSorted(), 0.5) as number) / (200 * Math.LN2)).toBeCloseTo(1, 1)
  })

  it('are lognormal: mean m, median m exp(-sigma^2 / 2)', () => {
    const times = serviceTimes(parseServiceTime('lognormal:2s,0.8'), COUNT)
    expect((mean(times) as number) / 2_000).toBeCloseTo(1, 1)
    expect((percentile(times.toSorted(), 0.5) as number) / (2_000 * Math.exp(-0.32))).toBeCloseTo(1, 1)
    expect(Math.min(...times.subarray(0, 1_000))).toBeGreaterThan(0)
  })

  it('are the same for the same tasks, whatever is planned', () => {
    const time = parseServiceTime('exp:1s')
    expect(serviceTimes(time, 10)).toEqual(serviceTimes(time, 100).subarray(0, 10))
    expect(serviceTimes(time, 10, undefined, 2)).not.toEqual(serviceTimes(time, 10))
  })

  it('come from the trace where a column is named', () => {
    const recorded = Float64Array.of(1, 2)
    expect(parseServiceTime('column: duration')).toEqual({ kind: 'column', column: 'duration' })
    expect(serviceTimes(parseServiceTime('column:2'), 2, recorded)).toBe(recorded)
    expect(() => serviceTimes(parseServiceTime('column:2'), 2)).toThrow('no such column')
  })

  it.each([
    '',
    'fast',
    'exp:',
    'exp:3',
    'lognormal:1s',
    'lognormal:1s,-1',
    'lognormal:1s,9',
    'gamma:1s',
    '2d',
    'column:',
  ])('refuse %j', (text) => {
    expect(() => parseServiceTime(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(/^service-time: /) }),
    )
  })
})
