import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import type { Handler } from './handler.ts'
import { LeveledConsumer } from './leveled-consumer.ts'
import type { BreakerOptions } from './options.ts'
import { dead, release, retryIn } from './outcome.ts'

const BREAKER: BreakerOptions = { minCalls: 10, openMs: 5_000, maxOpenMs: 10_000, probes: 2 }

type AnyHandler = Handler<Record<string, never>>

async function house(handler: (now: number) => ReturnType<AnyHandler>, breaker: BreakerOptions | false = BREAKER) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const consumer = new LeveledConsumer(queue, () => handler(clock.monotonic() - began), {
    random: seededRandom(2),
    rate: { perSecond: 20, rampMs: 0 },
    concurrency: 4,
    breaker,
  })
  const began = clock.monotonic()
  const states: string[] = []
  consumer.on('breaker', ({ state }) => states.push(state))
  await queue.enqueueMany(Array.from({ length: 100 }, (_, payload) => ({ type: 'work', payload })))
  await consumer.start()
  return { clock, queue, consumer, states }
}

describe('the circuit breaker of a consumer', () => {
  it('waits while the downstream is dead for 60 s, burns few attempts, and recovers by itself', async () => {
    let failed = 0
    const { clock, queue, consumer, states } = await house((now) => {
      if (now >= 60_000) return
      failed++
      throw new Error('connect ECONNREFUSED')
    })
    let burnt = 0
    consumer.on('retried', () => burnt++)
    await clock.advance(2_000)
    expect(consumer.standsStill).toMatchObject({
      reason: 'The circuit breaker is open: 10 of 10 calls failed.',
      until: expect.any(Number),
    })
    expect((await queue.depth()).inFlight).toBe(0)
    await clock.advance(58_000)
    expect(burnt).toBe(10)
    expect(failed).toBeGreaterThan(12)
    expect(failed).toBeLessThanOrEqual(10 + 2 * 24)
    await clock.advance(30_000)
    expect(await queue.depth()).toMatchObject({ ready: 0, delayed: 0, dead: 0, totals: { completed: 100 } })
    expect(states.at(-1)).toBe('closed')
    expect(consumer.standsStill).toBeUndefined()
    await consumer.stop()
  })

  it('loses tasks to the dead letters without one', async () => {
    const { clock, queue, consumer } = await house((now) => {
      if (now < 60_000) throw new Error('connect ECONNREFUSED')
    }, false)
    await clock.advance(90_000)
    expect((await queue.depth()).dead).toBe(100)
    await consumer.stop()
  })

  it('counts retryIn, and neither dead nor release', async () => {
    for (const [outcome, opens] of [
      [() => retryIn(60_000), true],
      [() => dead('refused'), false],
      [() => release(60_000), false],
    ] as const) {
      const { clock, consumer, states } = await house(outcome)
      await clock.advance(4_000)
      expect(states[0]).toBe(opens ? 'open' : undefined)
      await consumer.stop()
    }
  })

  it('refuses options that make no sense', async () => {
    await expect(house(() => undefined, { failureRate: 0 })).rejects.toMatchObject({ path: 'breaker.failureRate' })
    await expect(house(() => undefined, { openMs: 10, maxOpenMs: 5 })).rejects.toMatchObject({
      path: 'breaker.maxOpenMs',
    })
  })
})
