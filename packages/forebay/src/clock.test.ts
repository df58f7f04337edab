import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sleep, VirtualClock } from './clock.ts'

describe('VirtualClock', () => {
  it('fires what falls due in order of due times, then in the order in which it was set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 200 }), async (timers) => {
        const clock = new VirtualClock()
        const fired: number[] = []
        const cancels = timers.map(([delay], number) => clock.after(delay, () => fired.push(number)))
        timers.forEach(([, isCancelled], number) => isCancelled && cancels[number]?.())
        await clock.advance(50)
        const kept = timers.flatMap(([delay, isCancelled], number) => (isCancelled ? [] : [{ delay, number }]))
        const expected = kept.sort((a, b) => a.delay - b.delay || a.number - b.number).map(({ number }) => number)
        expect(fired).toEqual(expected)
        expect(clock.nextDue).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it('keeps its order when many cancelled timers are swept away', async () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    for (let round = 0; round < 500; round++) {
      clock.after(500 - round, () => fired.push(500 - round))
      clock.after(30_000, () => fired.push(-1))()
    }
    await clock.advance(1_000)
    expect(fired).toEqual(Array.from({ length: 500 }, (_, index) => index + 1))
  })

  it('runs until it is told that it is over, and lets promises settle after each timer', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const walk = async (name: string, stepMs: number) => {
      for (let step = 0; step < 3; step++) {
        await sleep(clock, stepMs)
        for (let deep = 0; deep < 20; deep++) await Promise.resolve()
        seen.push(`${name} at ${clock.monotonic()}`)
      }
    }
    void walk('a', 10)
    void walk('b', 15)
    await clock.run(() => seen.length === 5)
    expect(seen).toEqual(['a at 10', 'b at 15', 'a at 20', 'b at 30', 'a at 30'].sort(byTime))
    expect(clock.monotonic()).toBe(30)
    await clock.run(() => false)
    expect(seen.at(-1)).toBe('b at 45')
  })

  it('does not fire what was cancelled by what fired before it at the same instant', async () => {
    const clock = new VirtualClock()
    let fired = 0
    clock.after(5, () => cancel())
    const cancel = clock.after(5, () => fired++)
    await clock.advance(10)
    expect(fired).toBe(0)
  })
})

function byTime(a: string, b: string): number {
  return Number(a.split(' ')[2]) - Number(b.split(' ')[2])
}
