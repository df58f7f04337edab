import { describe, expect, it } from 'vitest'
import { CAPACITY, FragileLine, LONGEST_LINE, WORKERS } from '../../demo/fragile-line.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

/** Offers a level load for some seconds; gives the latencies in the order of the answers, and how many failed at once. */
async function offer(perSecond: number, seconds: number) {
  const clock = new VirtualClock()
  const line = new FragileLine(clock, seededRandom(1))
  const latencies: number[] = []
  let failed = 0
  for (let sent = 0; sent < perSecond * seconds; sent++) {
    const sentAt = clock.monotonic()
    if (!line.take(() => latencies.push(clock.monotonic() - sentAt))) failed += 1
    await clock.advance(1_000 / perSecond)
  }
  const servedInTime = latencies.length
  await clock.advance(60_000)
  return { latencies, failed, servedInTime, inside: line.inside }
}

describe('the fragile service', () => {
  it('answers at once while it is asked for less than it can', async () => {
    const { latencies, failed } = await offer(45, 20)
    expect(failed).toBe(0)
    expect(Math.max(...latencies)).toBeLessThan(300)
  })

  it('serves its capacity and no more, with a latency that climbs', async () => {
    const { latencies, servedInTime } = await offer(2 * CAPACITY, 5)
    expect(servedInTime / 5).toBeGreaterThan(0.95 * CAPACITY)
    expect(servedInTime / 5).toBeLessThan(1.05 * CAPACITY)
    expect(latencies.at(-1)).toBeGreaterThan(4_000)
  })

  it('fails at once when its line is full, and serves what stands in it', async () => {
    const { latencies, failed, inside } = await offer(2 * CAPACITY, 15)
    expect(failed).toBeGreaterThan(0)
    expect(latencies).toHaveLength(15 * 2 * CAPACITY - failed)
    expect(Math.max(...latencies)).toBeLessThan(((LONGEST_LINE + 2 * WORKERS) / CAPACITY) * 1_100)
    expect(inside).toBe(0)
  })
})
