/** The delay of the event loop in real time: what blocks it shows, and several readers do not take it from each other. */

import { expect, it, onTestFinished } from 'vitest'
import { EventLoopWatch, pauseThread, sleep, systemClock, VirtualClock } from './clock.ts'

it('shows for how long the loop was blocked, to every reader of a window, and no longer in the next', async () => {
  // Moves only when it is told: what counts as a window is exact, what is measured is real.
  const windows = new VirtualClock()
  const watch = new EventLoopWatch(windows)
  onTestFinished(() => watch.stop())
  await sleep(systemClock, 50)
  pauseThread(300)
  await sleep(systemClock, 50)
  const first = watch.read()
  expect(first?.maxMs).toBeGreaterThan(250)
  expect(first?.maxMs).toBeLessThan(2_000)
  expect(watch.read()?.maxMs).toBe(first?.maxMs)
  await windows.advance(10_000)
  const atEnd = watch.read()
  expect(atEnd?.maxMs).toBe(first?.maxMs)
  await sleep(systemClock, 50)
  expect(watch.read()).toBe(atEnd)
  await windows.advance(10_000)
  expect(watch.read()?.maxMs).toBeLessThan(250)
})

it('takes its own timer off: an idle loop is hardly late', async () => {
  const watch = new EventLoopWatch(new VirtualClock())
  onTestFinished(() => watch.stop())
  expect(watch.read()).toBeUndefined()
  await sleep(systemClock, 500)
  const { meanMs = Number.NaN, p99Ms = Number.NaN, maxMs = Number.NaN } = watch.read() ?? {}
  expect(meanMs).toBeGreaterThanOrEqual(0)
  expect(meanMs).toBeLessThan(10)
  expect(maxMs).toBeGreaterThanOrEqual(p99Ms)
})
