import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { Alarm } from './alarm.ts'
import { Deadlines, type Timed } from './deadlines.ts'

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

function house() {
  const clock = new VirtualClock()
  const [late, underWay]: [string[], Timed[]] = [[], []]
  const deadlines = new Deadlines(clock, () => underWay)
  const begin = (name: string, ms: number) => {
    const timed = {
      lateAt: clock.monotonic() + ms,
      late() {
        timed.lateAt = Number.POSITIVE_INFINITY
        late.push(`${name} ${clock.monotonic()}`)
      },
    }
    underWay.push(timed)
    deadlines.begun(timed, clock.monotonic())
    return timed
  }
  return { clock, deadlines, late, begin }
}

it('each limit falls due once, at its own time, whatever the order in which they were set', async () => {
  const { clock, late, begin } = house()
  begin('a', 300)
  begin('b', 100)
  begin('c', 200)
  await clock.advance(1_000)
  expect(late).toEqual(['b 100', 'c 200', 'a 300'])
  expect(clock.nextDue).toBeUndefined()
})

it('a lifted limit never falls due, and when nothing runs no timer is left', async () => {
  const { clock, deadlines, late, begin } = house()
  begin('lifted', 100).lateAt = Number.POSITIVE_INFINITY
  begin('b', 50)
  await clock.advance(60)
  expect(late).toEqual(['b 50'])
  begin('c', 500)
  deadlines.rest()
  expect(clock.nextDue).toBeUndefined()
  await clock.advance(1_000)
  expect(late).toEqual(['b 50'])
})
