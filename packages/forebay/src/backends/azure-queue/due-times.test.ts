import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../clock.ts'
import { DueTimes } from './due-times.ts'

test('law: it knows how many are not due, and when the next one is, in whole seconds', async () => {
  const step = fc.record({ delayMs: fc.nat(20_000), pauseMs: fc.nat(5_000) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const clock = new VirtualClock()
      const due = new DueTimes(clock)
      let all: number[] = []
      for (const { delayMs, pauseMs } of steps) {
        due.add(delayMs)
        all.push(clock.monotonic() + Math.ceil(delayMs / 1_000) * 1_000)
        await clock.advance(pauseMs)
        all = all.filter((time) => time > clock.monotonic())
        expect(due.waiting).toBe(all.length)
        expect(due.nextMs).toBe(all.length > 0 ? Math.min(...all) - clock.monotonic() : undefined)
      }
    }),
    { numRuns: 300 },
  )
})
