import { describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import { mostInWindow } from '../replay/figures.ts'

/** Starts of a standing backlog on the system's clock. */
async function startsAt(perSecond: number, forMs: number, disturb?: () => void): Promise<number[]> {
  const queue = await LoadLevelingQueue.open('memory:')
  const count = Math.ceil((perSecond * forMs) / 1_000) + 50
  await queue.enqueueMany(Array.from({ length: count }, (_, payload) => ({ type: 't', payload })))
  const at: number[] = []
  const consumer = new LeveledConsumer(queue, () => void at.push(systemClock.monotonic()), {
    rate: { perSecond, rampMs: 0 },
    concurrency: 100,
  })
  await consumer.start()
  if (disturb) systemClock.after(forMs / 2, disturb)
  await sleep(systemClock, forMs)
  await consumer.stop()
  await queue.close()
  return at
}

describe('the pacer in real time', () => {
  it.each([50, 1_000])('keeps %i/s: the mean is exact and no window has a burst', async (perSecond) => {
    const at = await startsAt(perSecond, 3_000)
    const mean = ((at.length - 1) * 1_000) / ((at.at(-1) as number) - (at[0] as number))
    // Shared test machines stall; a stall longer than the tolerance is lost by design, never made up for.
    expect(mean).toBeGreaterThan(0.97 * perSecond)
    expect(mean).toBeLessThan(1.002 * perSecond)
    expect(mostInWindow(at, 1_000)).toBeLessThanOrEqual(1 + 1.005 * perSecond + 1e-6)
    expect(mostInWindow(at, 100)).toBeLessThanOrEqual(1 + 0.1 * 1.15 * perSecond)
  })

  it('releases no burst after the event loop was blocked for 300 ms', async () => {
    const at = await startsAt(200, 2_000, () => {
      const end = systemClock.monotonic() + 300
      while (systemClock.monotonic() < end);
    })
    expect(mostInWindow(at, 100)).toBeLessThanOrEqual(1 + 0.1 * 1.15 * 200)
  })
})
