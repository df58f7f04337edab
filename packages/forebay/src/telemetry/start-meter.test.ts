import fc from 'fast-check'
import { expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { StartMeter } from './start-meter.ts'

it('law: it tells the starts of the last ten whole seconds, however they were spread', () => {
  const gaps = fc.array(fc.nat(4_000), { maxLength: 40 })
  fc.assert(
    fc.property(gaps, fc.nat(30_000), (spread, rest) => {
      let now = 0
      const clock = Object.assign(new VirtualClock(), { monotonic: () => now })
      const meter = new StartMeter(clock)
      const seconds: number[] = []
      for (const gap of spread) {
        now += gap
        meter.note()
        seconds.push(Math.floor(now / 1_000))
      }
      now += rest
      const present = Math.floor(now / 1_000)
      const counted = seconds.filter((second) => second < present && second >= present - 10).length
      expect(meter.perSecond(now)).toBeCloseTo(counted / Math.min(10, Math.max(1, now / 1_000)), 9)
    }),
    { numRuns: 1_000 },
  )
})
