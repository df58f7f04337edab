import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { FRESH_MS, OldGrants } from './old-grants.ts'

test('a grant is forgotten long after the last delivery that it keeps from being taken, and soon enough', async () => {
  const clock = new VirtualClock()
  const forgotten = new Map<number, number>()
  const grants = new OldGrants(clock, async (sequence) => void forgotten.set(sequence, clock.monotonic()))
  const addedAt: number[] = []
  for (let sequence = 0; sequence < 100; sequence++) {
    addedAt.push(clock.monotonic())
    grants.add(sequence)
    await clock.advance(137)
  }
  await clock.advance(60_000)
  expect(forgotten.size).toBe(100)
  for (const [sequence, at] of forgotten) {
    const keptMs = at - (addedAt[sequence] as number)
    expect(keptMs).toBeGreaterThan(FRESH_MS + 5_000)
    expect(keptMs).toBeLessThan(35_000)
  }
})

test('what can’t be forgotten is left, and so is what there was at the end', async () => {
  const clock = new VirtualClock()
  const asked: number[] = []
  const grants = new OldGrants(clock, async (sequence) => {
    asked.push(sequence)
    throw new Error('away')
  })
  grants.add(1)
  await clock.advance(120_000)
  expect(asked).toEqual([1])
  grants.add(2)
  grants.close()
  await clock.advance(120_000)
  expect(asked).toEqual([1])
  expect(clock.nextDue).toBeUndefined()
})
