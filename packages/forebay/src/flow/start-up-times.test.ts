import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StartUpTimes } from './start-up-times.ts'

it('nothing is known before the first', () => {
  const times = new StartUpTimes()
  expect(times.slowestMs).toBeUndefined()
  times.note(300)
  expect(times.slowestMs).toBe(300)
})

it('law: it is one of the latest eight, and no less than any of them', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60_000), { minLength: 1, maxLength: 30 }), (all) => {
      const times = new StartUpTimes()
      for (const startUpMs of all) times.note(startUpMs)
      const latest = all.slice(-8)
      expect(latest).toContain(times.slowestMs)
      for (const startUpMs of latest) expect(times.slowestMs).toBeGreaterThanOrEqual(startUpMs)
    }),
    { numRuns: 2_000 },
  )
})

it('a slow one is forgotten after eight others', () => {
  const times = new StartUpTimes()
  times.note(9_000)
  for (let n = 0; n < 7; n++) times.note(200)
  expect(times.slowestMs).toBe(9_000)
  times.note(250)
  expect(times.slowestMs).toBe(250)
})
