import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { Alarm } from './alarm.ts'
import { Deadlines } from './deadlines.ts'

it('an alarm rings at its time, earlier if that is moved nearer, and early at most once if it moves away', async () => {
  const clock = new VirtualClock()
  const rings: number[] = []
  const alarm = new Alarm(clock, () => rings.push(clock.monotonic()))
  alarm.set(100, 0)
  alarm.set(50, 0)
  await clock.advance(60)
  expect(rings).toEqual([50])
  alarm.set(100, 60)
  alarm.set(200, 60)
  await clock.advance(300)
  expect(rings).toEqual([50, 100])
  alarm.set(500, 360)
  alarm.set(Number.POSITIVE_INFINITY, 360)
  await clock.advance(1_000)
  expect(rings).toEqual([50, 100])
  expect(clock.nextDue).toBeUndefined()
})

it('each limit falls due at its own time, whatever the order in which they were set', async () => {
  const clock = new VirtualClock()
  const deadlines = new Deadlines(clock)
  const late: string[] = []
  const note = (name: string) => () => late.push(`${name} ${clock.monotonic()}`)
  deadlines.limit(300, note('a'))
  deadlines.limit(100, note('b'))
  deadlines.limit(200, note('c'))
  await clock.advance(1_000)
  expect(late).toEqual(['b 100', 'c 200', 'a 300'])
})

it('a lifted limit never falls due, and when nothing runs no timer is left', async () => {
  const clock = new VirtualClock()
  const deadlines = new Deadlines(clock)
  const late: number[] = []
  const lift = deadlines.limit(100, () => late.push(1))
  deadlines.limit(50, () => late.push(2))
  lift()
  await clock.advance(60)
  expect(late).toEqual([2])
  deadlines.limit(500, () => late.push(3))()
  deadlines.rest()
  expect(clock.nextDue).toBeUndefined()
  await clock.advance(1_000)
  expect(late).toEqual([2])
})
