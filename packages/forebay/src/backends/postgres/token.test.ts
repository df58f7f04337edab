import { expect, test } from 'vitest'
import { GRANT_SIZE, readToken, tokenOf } from './token.ts'

test.each([
  '',
  'x',
  '-1',
  '1',
  '12',
  '1.5',
  '1x',
  ' 100',
  '0100',
  '164',
  '922337203685477580800',
  '9999999999999999999900',
])('"%s" is no token', (text) => {
  expect(readToken(text)).toBeUndefined()
})

test('a token is the number of a grant and a place in it', () => {
  for (const grant of ['1', '1048576', String(2n ** 63n - 1n)]) {
    for (let place = 0; place < GRANT_SIZE; place++) expect(readToken(tokenOf(grant, place))).toEqual({ grant, place })
  }
})

test('tokens rise with the numbers of their grants, and with their places', () => {
  const tokens = ['9', '10', '99', '100'].flatMap((grant) =>
    [0, 9, 10, 63].map((place) => BigInt(tokenOf(grant, place))),
  )
  expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)))
  expect(new Set(tokens).size).toBe(tokens.length)
})
