import fc from 'fast-check'
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

/** Each call takes `latencyMs` before its handler answers. */
async function slowHouse(
  breaker: BreakerOptions,
  answer: () => ReturnType<AnyHandler> = () => undefined,
  concurrency = 4,
  latencyMs = 500,
) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1) })
  const handler = async () => {
    await new Promise<void>((resolve) => void clock.after(latencyMs, resolve))
    return answer()
  }
  const retry = { maxAttempts: 1_000, baseMs: 10, capMs: 10 }
  const consumer = new LeveledConsumer(queue, handler, { random: seededRandom(2), concurrency, retry, breaker })
  const began = clock.monotonic()
  const states: string[] = []
  consumer.on('breaker', ({ state }) => states.push(state))
  await queue.enqueueMany(Array.from({ length: 100 }, (_, payload) => ({ type: 'work', payload })))
  await consumer.start()
  return { clock, queue, consumer, states, began }
}

async function stop(consumer: LeveledConsumer, clock: VirtualClock): Promise<void> {
  const stopped = consumer.stop()
  await clock.advance(2_000)
  await stopped
}

/** A thousand consumers with a hundred tasks each. */
const LAW = { timeout: 120_000 }

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

  it('opens for slow calls as well, and says so', async () => {
    const { clock, consumer, states } = await slowHouse({ ...BREAKER, slowMs: 400, slowRate: 0.5 })
    await clock.advance(3_000)
    expect(states[0]).toBe('open')
    expect(consumer.standsStill?.reason).toBe('The circuit breaker is open: 10 of 10 calls were slow.')
    await stop(consumer, clock)
  })

  it('says that it stands still while its probes find out', async () => {
    const { clock, consumer, states } = await slowHouse({ ...BREAKER, slowMs: 400, slowRate: 0.5 })
    while (states.at(-1) !== 'half-open') await clock.advance(50)
    const reason = 'The circuit breaker is half-open: the open time is over; probes find out.'
    expect(consumer.standsStill).toEqual({ reason, until: null })
    await stop(consumer, clock)
  })

  it('what was under way when it opened burns no attempt either', async () => {
    const breaker = { ...BREAKER, minCalls: 3 }
    let failed = 0
    const fails = () => {
      failed++
      return Promise.reject(new Error('down'))
    }
    const { clock, queue, consumer } = await slowHouse(breaker, fails, 10)
    let burnt = 0
    consumer.on('retried', () => burnt++)
    await clock.advance(1_000)
    // Ten began together; two more took the slots of the first two that failed, before the third opened it.
    expect(failed).toBeGreaterThanOrEqual(10)
    expect(burnt).toBe(3)
    expect(await queue.depth()).toMatchObject({ inFlight: 0, dead: 0 })
    await stop(consumer, clock)
  })

  it('law: nothing starts while it is open, few do while it is half-open, and nothing is lost', LAW, async () => {
    const seen = new Set<string>()
    const span = fc.integer({ min: 200, max: 3_000 })
    const course = fc.record({
      // The downstream is up and down in turns; then up for good.
      spans: fc.array(span, { minLength: 2, maxLength: 5 }),
      latencyMs: fc.integer({ min: 1, max: 200 }),
      concurrency: fc.integer({ min: 1, max: 8 }),
      probes: fc.integer({ min: 1, max: 3 }),
      minCalls: fc.integer({ min: 1, max: 5 }),
      openMs: fc.integer({ min: 100, max: 1_000 }),
    })
    const law = fc.asyncProperty(course, async ({ spans, latencyMs, concurrency, ...settings }) => {
      const ends = spans.map((_, index) => spans.slice(0, index + 1).reduce((sum, one) => sum + one, 0))
      let [state, underWay]: [string, number] = ['closed', 0]
      const isDown = (now: number) => {
        const turn = ends.findIndex((end) => now < end)
        return turn >= 0 && turn % 2 === 0
      }
      const breaker = { ...settings, maxOpenMs: settings.openMs, windowMs: 1_000, failureRate: 0.5 }
      const { clock, queue, consumer, began } = await slowHouse(
        breaker,
        () => (isDown(clock.monotonic() - began) ? Promise.reject(new Error('down')) : undefined),
        concurrency,
        latencyMs,
      )
      consumer.on('breaker', (change) => {
        state = change.state
        underWay = 0
        seen.add(state)
      })
      consumer.on('started', () => {
        expect(state).not.toBe('open')
        if (state === 'half-open') expect(++underWay).toBeLessThanOrEqual(settings.probes)
      })
      await clock.advance(60_000)
      expect(await queue.depth()).toMatchObject({ ready: 0, inFlight: 0, dead: 0, totals: { completed: 100 } })
      await stop(consumer, clock)
    })
    await fc.assert(law, { numRuns: 1_000 })
    expect([...seen].sort()).toEqual(['closed', 'half-open', 'open'])
  })

  it('refuses options that make no sense', async () => {
    await expect(house(() => undefined, { failureRate: 0 })).rejects.toMatchObject({ path: 'breaker.failureRate' })
    await expect(house(() => undefined, { openMs: 10, maxOpenMs: 5 })).rejects.toMatchObject({
      path: 'breaker.maxOpenMs',
    })
  })
})
