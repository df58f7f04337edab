import { expect, test } from 'vitest'
import { GRANT_SIZE, grantsOf, readToken } from './token.ts'

test.each(['', 'x', '-1', '1.5', '1x', ' 1', '9223372036854775808', '99999999999999999999'])(
  '"%s" is no token',
  (text) => {
    expect(readToken(text)).toBeUndefined()
  },
)

test('a token is a number of the server', () => {
  expect(readToken('0')).toBe(0n)
  expect(readToken('9223372036854775807')).toBe(2n ** 63n - 1n)
})

test('the grants of many tokens, each once, in their order', () => {
  const size = BigInt(GRANT_SIZE)
  expect(grantsOf([5n * size + 3n, 2n * size, 5n * size, 40n * size + 63n])).toEqual([2n, 5n, 40n])
  expect(grantsOf([])).toEqual([])
})
