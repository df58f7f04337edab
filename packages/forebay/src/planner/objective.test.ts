import { describe, expect, it } from 'vitest'
import { isKept, measured, parseObjective } from './objective.ts'
import { spanMs, spanText } from './spans.ts'

const waits = Float64Array.from({ length: 100 }, (_, index) => 100 - index)

describe('parseObjective', () => {
  it.each([
    ['p99 wait < 30s', 0.99, 30_000],
    ['P99.9 wait <= 1.5m', 0.999, 90_000],
    ['max wait under 2h', 1, 7_200_000],
    [' mean wait < 250ms ', 'mean', 250],
  ])('reads %j', (text, measure, boundMs) => {
    expect(parseObjective(text)).toMatchObject({ measure, boundMs })
  })

  it.each(['p99 < 30s', 'p99 wait > 30s', 'p99 wait < 30', 'p99 wait < 0s', 'p0 wait < 1s', 'best wait < 1s', ''])(
    'refuses %j, and says what it should be',
    (text) => {
      expect(() => parseObjective(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(/^slo: /) }),
      )
    },
  )

  it('measures by nearest rank, the bound included', () => {
    expect(measured(parseObjective('p99 wait < 1s'), waits)).toBe(99)
    expect(measured(parseObjective('max wait < 1s'), waits)).toBe(100)
    expect(measured(parseObjective('mean wait < 1s'), waits)).toBe(50.5)
    expect(isKept(parseObjective('p99 wait < 99ms'), waits)).toBe(true)
    expect(isKept(parseObjective('p99 wait < 98ms'), waits)).toBe(false)
    expect(measured(parseObjective('p99 wait < 1s'), new Float64Array(0))).toBe(0)
  })
})

describe('spans', () => {
  it('are told in the unit that fits', () => {
    expect([0, 12.34, 999, 1_500, 119_000, 600_000, 7_200_000].map(spanText)).toEqual([
      '0 ms',
      '12.3 ms',
      '999 ms',
      '1.5 s',
      '119 s',
      '10 min',
      '2 h',
    ])
  })

  it.each(['30', 's', '-1s', '1 fortnight'])('%j is none', (text) => {
    expect(() => spanMs('pickup', text)).toThrow('pickup: ')
  })
})
