/** How long it takes to simulate a day: 134,376 requests, as many as the busiest day of the shipped trace's server had. */

import { expect, it } from 'vitest'
import { fluidBound } from '../../packages/forebay/src/planner/fluid.ts'
import { simulate } from '../../packages/forebay/src/planner/simulation.ts'
import { percentile } from '../../packages/forebay/src/planner/statistics.ts'
import { startWaits } from '../../packages/forebay/src/planner/wait-figures.ts'
import { readTrace } from '../../packages/forebay/src/replay/trace.ts'

const TRACE = new URL('../../packages/forebay/traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)
const TEN_MINUTES_MS = 600_000
const DAY_MS = 86_400_000
const PER_DAY = 44

it('is less than ten seconds of one core', async () => {
  const slice = (await readTrace(TRACE)).arrivalsMs
  const arrivalsMs = Float64Array.from({ length: PER_DAY * slice.length }, (_, index) => {
    const round = Math.floor(index / slice.length)
    return (round * DAY_MS) / PER_DAY + (slice[index % slice.length] as number)
  })
  expect(DAY_MS / PER_DAY).toBeGreaterThan(TEN_MINUTES_MS)
  const before = process.cpuUsage()
  const seen = await simulate({
    arrivalsMs,
    serviceMs: new Float64Array(arrivalsMs.length).fill(100),
    consumer: { rate: { perSecond: 5.1, rampMs: 0 }, concurrency: 4 },
  })
  const { user, system } = process.cpuUsage(before)
  expect(seen).toMatchObject({ completed: 134_376, dead: 0, lost: 0 })
  const p99 = percentile(startWaits(seen).sort(), 0.99) as number
  expect(Math.abs(p99 - (percentile(fluidBound(arrivalsMs, 5.1).waitsMs.sort(), 0.99) as number))).toBeLessThan(1)
  expect((user + system) / 1e6).toBeLessThan(10)
})
