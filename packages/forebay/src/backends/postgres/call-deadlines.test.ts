import { expect, it } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { CallDeadlines } from './call-deadlines.ts'

/** Calls that are answered by hand, and what became of each. */
function house() {
  const clock = new VirtualClock()
  const deadlines = new CallDeadlines(clock)
  const told: string[] = []
  const ask = (name: string, ms: number) => {
    let give: () => void = () => {}
    let refuse: () => void = () => {}
    const work = new Promise<void>((resolve, reject) => {
      give = resolve
      refuse = () => reject(new Error('refused'))
    })
    deadlines
      .within(ms, work, () => new Error('late'))
      .then(
        () => told.push(`${name} done at ${clock.monotonic()}`),
        ({ message }) => told.push(`${name} ${message} at ${clock.monotonic()}`),
      )
    return { give, refuse }
  }
  return { clock, told, ask }
}

it('each call has its own time, whatever the others have', async () => {
  const { clock, told, ask } = house()
  const start = clock.monotonic()
  ask('long', 100)
  await clock.advance(10)
  ask('short', 20)
  ask('answered', 20).give()
  ask('refused', 50).refuse()
  await clock.advance(1_000)
  expect(told).toEqual([
    `answered done at ${start + 10}`,
    `refused refused at ${start + 10}`,
    `short late at ${start + 30}`,
    `long late at ${start + 100}`,
  ])
})

it('an answer that comes too late changes nothing, and the next call has its whole time', async () => {
  const { clock, told, ask } = house()
  const start = clock.monotonic()
  const late = ask('late', 10)
  await clock.advance(15)
  late.give()
  ask('next', 10)
  await clock.advance(9)
  expect(told).toEqual([`late late at ${start + 10}`])
  await clock.advance(1)
  expect(told.at(-1)).toBe(`next late at ${start + 25}`)
})
