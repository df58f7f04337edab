import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { Announcer } from './announcer.ts'
import { Upkeep } from './upkeep.ts'

test('what comes in quick succession is told once, with the least rank; a failure is forgotten', async () => {
  const clock = new VirtualClock()
  const told: number[] = []
  let fails = false
  const announcer = new Announcer(clock, async (low) => {
    told.push(low)
    if (fails) throw new Error('away')
  })
  announcer.announce(50)
  announcer.announce(40)
  announcer.announce(60)
  expect(told).toEqual([50])
  await clock.advance(5)
  expect(told).toEqual([50, 40])
  fails = true
  await clock.advance(5)
  announcer.announce(10)
  await clock.advance(5)
  fails = false
  announcer.announce(20)
  const done = announcer.done()
  await clock.advance(10)
  await done
  expect(told).toEqual([50, 40, 10, 20])
})

test('upkeep runs after so many changes, until there is no more, one at a time, and never fails its caller', async () => {
  let runs = 0
  let more = 3
  const upkeep = new Upkeep(async () => {
    runs++
    if (runs === 5) throw new Error('away')
    return more-- > 1
  })
  upkeep.count(199)
  expect(runs).toBe(0)
  upkeep.count()
  upkeep.count(500)
  await upkeep.done()
  expect(runs).toBe(3)
  upkeep.count(300)
  await upkeep.done()
  upkeep.count(300)
  await upkeep.done()
  expect(runs).toBe(5)
})
