import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClaimRef, Settlement } from '../queue-service.ts'
import { askable, settleCall, settleResults } from './settling.ts'
import { GRANT_SIZE, readToken, tokenOf } from './token.ts'

const grants = ['1048576', '1048577', '9007199254740993', String(2n ** 63n - 1n)]
const token = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(fc.constantFrom(...grants), fc.nat(GRANT_SIZE - 1))
      .map(([grant, place]) => tokenOf(grant, place)),
  },
  { weight: 1, arbitrary: fc.constantFrom('', 'x', '12', '100164', '01048576') },
)
const batch = fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c'), token }), { maxLength: 300 })

/** The claims that the bits of the masks stand for, in the order of the ids. */
function unpacked({ grants: numbers, masks, ids }: ReturnType<typeof askable>): ClaimRef[] {
  const tokens = numbers.flatMap((grant, index) =>
    Array.from({ length: GRANT_SIZE }, (_, place) => place)
      .filter((place) => ((masks[index] as bigint) >> BigInt(place)) & 1n)
      .map((place) => tokenOf(String(grant), place)),
  )
  expect(tokens.length).toBe(ids.length)
  return tokens.map((one, index) => ({ id: ids[index] as string, token: one }))
}

test('law: each claim whose token can be good is asked about once, and nothing else', () => {
  fc.assert(
    fc.property(batch, (claims) => {
      const asked = askable(claims)
      const name = ({ id, token: text }: ClaimRef) => `${id} ${text}`
      const wanted = [...new Set(claims.filter(({ token: text }) => readToken(text)).map(name))].sort()
      expect(unpacked(asked).map(name).sort()).toEqual(wanted)
      expect(asked.indexes.map((index) => claims[index])).toEqual(unpacked(asked))
      for (const mask of asked.masks) expect(BigInt.asIntN(64, mask)).toBe(mask)
    }),
    { numRuns: 2_000 },
  )
})

test('what the server says of the asked ones is told of their places in the batch', () => {
  const claims = ['164', '1048577001', 'x', '104857600'].map((text) => ({ id: 'a', token: text }))
  const asked = askable(claims)
  expect(asked.indexes).toEqual([1, 3])
  const [stale, settled] = [{ status: 'stale' }, { status: 'settled' }]
  expect(settleResults(4, asked, null)).toEqual([stale, settled, stale, settled])
  expect(settleResults(4, asked, ['2'])).toEqual([stale, stale, stale, settled])
  expect(settleResults(4, asked, [])).toEqual([stale, stale, stale, stale])
})

test('a batch in which all is complete and nothing is kept goes the short way, any other one does not', () => {
  const claim = { id: 'a', token: '104857600' }
  const call = (...batch: Settlement[]) => settleCall(askable(batch.map((one) => one.claim)), batch)[0]
  const completed: Settlement = { claim, outcome: 'complete' }
  expect(call(completed)).toBe('complete')
  expect(call({ ...completed, keep: { result: '1', keepMs: 1 } })).toBe('settle')
  expect(call(completed, { claim: { ...claim, token: '104857601' }, outcome: 'release', delayMs: 0 })).toBe('settle')
})
