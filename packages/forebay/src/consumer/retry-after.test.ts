import { expect, it } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

/** Sun, 06 Nov 1994 08:49:37 GMT */
const AT = 784_111_777_000

it.each([
  ['120', 120_000],
  [' 1 ', 1_000],
  ['Sun, 06 Nov 1994 08:50:37 GMT', 60_000],
  ['Sun Nov  6 08:50:37 1994', 60_000],
  ['Mon, 07 Nov 1994 08:49:37 GMT', 300_000],
  ['Wed, 29 Feb 2096 23:59:59 GMT', 300_000],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 300_000],
  ['301', 300_000],
  ['99999999999999999999999999999999', 300_000],
])('%s is quiet for %i ms', (value, ms) => {
  expect(retryAfterMs(value, AT, 300_000)).toBe(ms)
})

it.each([
  ['no header', undefined],
  ['nothing', ''],
  ['no time at all', '0'],
  ['a negative time', '-5'],
  ['a time that has passed', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['a fraction', '1.5'],
  ['an exponent', '1e9'],
  ['infinity', 'Infinity'],
  ['a month that is none', 'Sun, 06 Foo 2094 08:49:37 GMT'],
  ['words', 'in a while'],
  ['a long string', '9'.repeat(50_000)],
])('%s asks for no quiet', (_what, value) => {
  expect(retryAfterMs(value, AT, 300_000)).toBeUndefined()
})

it('counts days as the calendar does, over leap years', () => {
  for (const at of [0, 951_782_400_000, 4_107_542_399_000, 1_709_164_800_000, 1_735_689_599_000]) {
    const date = new Date(at).toUTCString()
    expect(retryAfterMs(date, at - 5_000, 300_000)).toBe(5_000)
  }
})
