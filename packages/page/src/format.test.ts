import { expect, test } from 'vitest'
import { count, NOTHING, rate, span } from './format.ts'

test.each([
  [0, '0'],
  [1_234.4, '1,234'],
  [2_345_678, '2.3M'],
  [null, NOTHING],
])('count(%s) is %s', (value, text) => expect(count(value)).toBe(text))

test.each([
  [49.96, '50'],
  [7.25, '7.3'],
  [143.6, '144'],
  [undefined, NOTHING],
])('rate(%s) is %s', (value, text) => expect(rate(value)).toBe(text))

test.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [1_500, '1.5 s'],
  [61_000, '1 min 1 s'],
  [3_660_000, '1 h 1 min'],
  [null, NOTHING],
])('span(%s) is %s', (value, text) => expect(span(value)).toBe(text))
