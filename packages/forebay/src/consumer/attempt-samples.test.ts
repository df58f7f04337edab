import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import type { AttemptSample } from '../flow/concurrency-limit.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { seededRandom } from '../random.ts'
import { AttemptSamples } from './attempt-samples.ts'
import { adaptive, aimd, Concurrency } from './concurrency.ts'
import type { CallReport, HandlerContext } from './handler.ts'
import { LeveledConsumer } from './leveled-consumer.ts'

/** Samples that are only written down. */
function noted() {
  const clock = new VirtualClock()
  const began = clock.monotonic()
  const [starts, samples, holds]: [number[], AttemptSample[], number[]] = [[], [], []]
  const concurrency = {
    started: (at: number) => void starts.push(at - began),
    ended: (sample: AttemptSample) => void samples.push(sample),
  }
  const onHold = (delayMs: number) => void holds.push(delayMs)
  const attempt = new AttemptSamples({ clock, concurrency, inFlight: () => 3, onHold }, began)
  return { clock, began, starts, samples, holds, attempt }
}

describe('what an attempt tells its limit', () => {
  it('without a report: one sample, from its start to its end', async () => {
    const { clock, began, starts, samples, holds, attempt } = noted()
    await clock.advance(70)
    expect(attempt.end('refused', 500)).toBe(70)
    expect(starts).toEqual([0])
    expect(samples).toEqual([{ startedAt: began, at: began + 70, result: 'refused', quietMs: 500, inFlight: 3 }])
    expect(holds).toEqual([])
  })

  it('with reports: a sample a call, with the time of that call alone, and none for the whole', async () => {
    const { clock, began, starts, samples, holds, attempt } = noted()
    await clock.advance(20)
    attempt.report({ result: 'refused', retryAfterMs: 1_000 })
    await clock.advance(1_030)
    attempt.report({ result: 'ok', latencyMs: 30, retryAfterMs: 5 })
    expect(attempt.end('ok', 0)).toBe(1_050)
    expect(starts).toEqual([0, 1_050])
    expect(samples).toEqual([
      { startedAt: began, at: began + 20, result: 'refused', latencyMs: 20, quietMs: 1_000, inFlight: 3 },
      { startedAt: began + 1_050, at: began + 1_050, result: 'ok', latencyMs: 30, quietMs: 0, inFlight: 3 },
    ])
    expect(holds).toEqual([1_000])
  })

  it('a call without a time took since the one before, and one after the end is too late', async () => {
    const { clock, samples, attempt } = noted()
    await clock.advance(20)
    attempt.report({ result: 'failed' })
    await clock.advance(40)
    attempt.report({ result: 'ok' })
    attempt.end('ok', 0)
    attempt.report({ result: 'failed' })
    expect(samples.map(({ latencyMs }) => latencyMs)).toEqual([20, 40])
  })

  it.each([
    [{ result: 'fine' }, 'result'],
    [{ result: 'ok', latencyMs: -1 }, 'latencyMs'],
    [{ result: 'ok', latencyMs: Number.NaN }, 'latencyMs'],
    [{ result: 'refused', retryAfterMs: Number.POSITIVE_INFINITY }, 'retryAfterMs'],
  ])('refuses %o', (call, path) => {
    const { samples, attempt } = noted()
    expect(() => attempt.report(call as CallReport)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', path }))
    expect(samples).toEqual([])
  })

  it.each([
    ['aimd', aimd],
    ['adaptive', adaptive],
  ])('law: no limit (%s) rises while each success was refused before it', { timeout: 60_000 }, (_, learning) => {
    const ms = fc.integer({ min: 1, max: 500 })
    const work = fc.record({ refusals: fc.integer({ min: 1, max: 3 }), callMs: ms, waitMs: ms, quietMs: fc.nat(1_000) })
    fc.assert(
      fc.property(
        fc.array(work, { minLength: 20, maxLength: 60 }),
        fc.integer({ min: 4, max: 20 }),
        (works, initial) => {
          const clock = new VirtualClock()
          let most = initial
          const options = { concurrency: 100, learning: learning({ max: 100, initial }) }
          const concurrency = new Concurrency(
            options,
            () => 0.5,
            ({ limit }) => {
              most = Math.max(most, limit)
            },
          )
          for (const { refusals, callMs, waitMs, quietMs } of works) {
            const inFlight = () => concurrency.limit
            const attempt = new AttemptSamples({ clock, concurrency, inFlight, onHold: () => {} }, clock.monotonic())
            for (let call = 0; call < refusals; call++) {
              void clock.advance(callMs)
              attempt.report({ result: 'refused', latencyMs: callMs, retryAfterMs: quietMs })
              void clock.advance(waitMs)
            }
            attempt.report({ result: 'ok', latencyMs: callMs })
            attempt.end('ok', 0)
          }
          expect(most).toBe(initial)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

/** A downstream with a quota of 20 a second, and a client that answers a 429 by itself: it waits a second and calls again. */
async function withRetryingClient(tell: (context: HandlerContext, call: CallReport) => void) {
  const clock = new VirtualClock()
  const queue = await LoadLevelingQueue.open('memory:', { clock, random: seededRandom(1), maxDepth: 200_000 })
  let [tokens, last, calls, refused] = [20, clock.monotonic(), 0, 0]
  const isAccepted = () => {
    const now = clock.monotonic()
    tokens = Math.min(20, tokens + ((now - last) * 20) / 1_000)
    last = now
    calls++
    if (tokens < 1) return false
    tokens--
    return true
  }
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
  const consumer = new LeveledConsumer(
    queue,
    async (_, context) => {
      while (true) {
        const accepted = isAccepted()
        await wait(50)
        tell(context, accepted ? { result: 'ok' } : { result: 'refused', latencyMs: 50, retryAfterMs: 1_000 })
        if (accepted) return
        refused++
        await wait(1_000)
      }
    },
    { random: seededRandom(2), concurrency: adaptive({ max: 200, initial: 20 }), timeoutMs: 600_000 },
  )
  let held = 0
  consumer.on('held', () => held++)
  await queue.enqueueMany(Array.from({ length: 8_000 }, (_, payload) => ({ type: 'work', payload })))
  await consumer.start()
  await clock.advance(60_000)
  const [before, refusedBefore] = [calls, refused]
  const limits: number[] = []
  consumer.on('limit', ({ limit }) => limits.push(limit))
  await clock.advance(60_000)
  const result = {
    refusedShare: (refused - refusedBefore) / (calls - before),
    most: Math.max(consumer.limits.concurrency, ...limits),
    boundBy: consumer.effectiveRate.boundBy,
    held,
  }
  const stopped = consumer.stop()
  await clock.advance(20_000)
  await stopped
  return result
}

describe('a client that repeats what was refused', () => {
  it('raises the limit if nobody tells, and does not if its calls are reported', async () => {
    const hidden = await withRetryingClient(() => {})
    const told = await withRetryingClient((context, call) => context.report(call))
    expect(hidden.refusedShare).toBeGreaterThan(0.25)
    expect(told.refusedShare).toBeLessThan(0.05)
    expect(told.most).toBeLessThanOrEqual(20)
    expect(hidden.most).toBeGreaterThan(20)
    expect(told.held).toBeGreaterThan(0)
    expect(told.boundBy).toBe('quota')
  })
})
