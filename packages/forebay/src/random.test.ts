import { expect, it } from 'vitest'
import { systemRandom } from './random.ts'

it('the system’s bytes are never given out twice, and stay what they were when more are fetched', () => {
  const first = systemRandom.bytes(16)
  const copy = Buffer.from(first)
  const seen = new Set<string>()
  for (let n = 0; n < 10_000; n++) seen.add(Buffer.from(systemRandom.bytes(16)).toString('hex'))
  expect(seen.size).toBe(10_000)
  expect(copy.equals(first)).toBe(true)
  for (const count of [0, 1, 1_000, 1_024, 1_025, 5_000]) expect(systemRandom.bytes(count)).toHaveLength(count)
})
