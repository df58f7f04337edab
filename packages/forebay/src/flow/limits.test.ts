import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../random.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { AimdLimit } from './aimd-limit.ts'
import type { AttemptSample, ConcurrencyLimit, LimitBounds, LimitChange } from './concurrency-limit.ts'

const makers = {
  AIMD: (bounds: LimitBounds, initial: number) => new AimdLimit(bounds, initial),
  adaptive: (bounds: LimitBounds, initial: number, chance = () => 0.5) => new AdaptiveLimit(bounds, initial, chance),
}

const boundsOf = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(200)).map(([min, more]) => ({ min, max: min + more }))
const step = fc.record({
  afterMs: fc.double({ min: 0, max: 200, noNaN: true }),
  latencyMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
  result: fc.constantFrom<AttemptSample['result'][]>('ok', 'ok', 'ok', 'failed', 'refused', 'unknown'),
  used: fc.double({ min: 0, max: 1, noNaN: true }),
  times: fc.integer({ min: 1, max: 60 }),
})
/** The filter costs some microseconds a cohort, and a starved machine makes many of a thousand cases. */
const PATIENTLY = { timeout: 60_000 }

/** Feeds the steps, each `times` over, as attempts that run side by side. */
function feed(
  limit: ConcurrencyLimit,
  steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
  look: (change: LimitChange | undefined, before: number) => void,
  from = 10_000,
): void {
  let at = from
  for (const { afterMs, latencyMs, result, used, times } of steps) {
    for (let time = 0; time < times; time++) {
      at += afterMs
      limit.started(at)
      const before = limit.limit
      const inFlight = Math.max(1, Math.round(used * before))
      look(limit.ended({ startedAt: at, at: at + latencyMs, result, inFlight }), before)
    }
  }
}

describe.each(Object.entries(makers))('%s', (_, make) => {
  it('law: always a whole number within its bounds, and each change is told as it was', PATIENTLY, () => {
    fc.assert(
      fc.property(
        boundsOf,
        fc.integer({ min: 1, max: 500 }),
        fc.array(step, { maxLength: 30 }),
        (bounds, initial, steps) => {
          const limit = make(bounds, initial)
          // Only what is wrong is handed to expect: there are a million changes to look at.
          feed(limit, steps, (change, before) => {
            const now = limit.limit
            const isWithin = Number.isInteger(now) && now >= bounds.min && now <= bounds.max
            const isTold = change
              ? change.limit === now && change.previous === before && now !== before
              : now === before
            if (!isWithin || !isTold) expect({ now, before, change }).toBe('within the bounds and told')
          })
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('law: never grows beyond where it began while something else is the bottleneck', PATIENTLY, () => {
    const idle = step.map((one) => ({ ...one, used: 0.7 * one.used }))
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 300 }), fc.array(idle, { maxLength: 30 }), (initial, steps) => {
        const limit = make({ min: 1, max: 1_000 }, initial)
        let most = 0
        feed(limit, steps, () => {
          most = Math.max(most, limit.limit)
        })
        expect(most).toBeLessThanOrEqual(initial)
      }),
      { numRuns: 1_000 },
    )
  })

  it('law: falls while attempts fail that did not at first, whatever the latency', PATIENTLY, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 60 }),
        fc.double({ min: 1, max: 3_000, noNaN: true }),
        (initial, latencyMs) => {
          const limit = make({ min: 1, max: 100 }, initial)
          const one = { afterMs: 50, latencyMs, used: 1, times: 400 }
          feed(limit, [{ ...one, result: 'ok' }], () => {})
          const before = limit.limit
          feed(limit, [{ ...one, result: 'failed' }], () => {}, 100_000)
          expect(limit.limit).toBeLessThan(Math.max(2, before))
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('grows while it is used up and the latency stays', () => {
    const limit = make({ min: 1, max: 1_000 }, 10)
    const seen: LimitChange[] = []
    feed(limit, [{ afterMs: 5, latencyMs: 50, result: 'ok', used: 1, times: 3_000 }], (change) => {
      if (change) seen.push(change)
    })
    expect(limit.limit).toBeGreaterThan(30)
    expect(seen.map(({ reason }) => reason)).toContain('room')
  })
})

/**
 * A closed loop: `servers` serve first come first served, `serviceMs` each, and the limit is always used up.
 * @returns The limit that was held longest in the last tenth: at one moment it may probe.
 */
function closedLoop(
  limit: ConcurrencyLimit,
  until: number,
  servers: (at: number) => number,
  serviceMs: () => number,
  look: (limit: number, at: number) => void = () => {},
): number {
  const free: number[] = []
  const running: { startedAt: number; at: number }[] = []
  const heldMs = new Map<number, number>()
  let at = 0
  while (at < until) {
    while (running.length < limit.limit) {
      const count = servers(at)
      while (free.length < count) free.push(at)
      free.sort((a, b) => a - b).splice(count)
      const begins = Math.max(at, free[0] as number)
      const ends = begins + serviceMs()
      free[0] = ends
      limit.started(at)
      running.push({ startedAt: at, at: ends })
    }
    running.sort((a, b) => a.at - b.at)
    const next = running[0] as { startedAt: number; at: number }
    const passedMs = Math.max(0, next.at - at)
    if (at > 0.9 * until) heldMs.set(limit.limit, (heldMs.get(limit.limit) ?? 0) + passedMs)
    at += passedMs
    limit.ended({ startedAt: next.startedAt, at, result: 'ok', inFlight: running.length })
    running.shift()
    look(limit.limit, at)
  }
  return [...heldMs].reduce((longest, one) => (one[1] > longest[1] ? one : longest))[0]
}

describe('the adaptive limit at a downstream with a queue', () => {
  it.each([4, 16, 64])(
    'settles between %i servers and a square root or two more, from below and from above',
    (servers) => {
      for (const initial of [1, 10, 8 * servers]) {
        const limit = new AdaptiveLimit({ min: 1, max: 1_000 }, initial, () => 0.5)
        const settled = closedLoop(
          limit,
          50_000,
          () => servers,
          () => 100,
        )
        expect(settled).toBeGreaterThanOrEqual(servers)
        expect(settled).toBeLessThanOrEqual(servers + 2.5 * Math.sqrt(servers))
      }
    },
  )

  it('follows a downstream that loses servers within 10 s, and gets them back', () => {
    const servers = (at: number) => (at < 30_000 || at >= 60_000 ? 40 : 16)
    const limit = () => new AdaptiveLimit({ min: 1, max: 1_000 }, 10, () => 0.5)
    expect(closedLoop(limit(), 40_000, servers, () => 200)).toBeLessThanOrEqual(24)
    expect(closedLoop(limit(), 70_000, servers, () => 200)).toBeGreaterThanOrEqual(38)
  })

  it('asks at once whether a rise of the latency is a queue, although the next probe is far off', () => {
    // Noisy service times; servers are lost after 100 s, when a calm downstream is probed twice a minute.
    const overMs = Array.from({ length: 20 }, (_, seed) => {
      const { next } = seededRandom(seed)
      const limit = new AdaptiveLimit({ min: 1, max: 1_000 }, 10, next)
      let over = 0
      let before = 0
      closedLoop(
        limit,
        110_000,
        (at) => (at < 100_000 ? 20 : 9),
        () => 100 - 100 * Math.log(1 - next()),
        (now, at) => {
          if (at > 100_000 && now > 16) over += at - before
          before = at
        },
      )
      return over
    }).sort((a, b) => a - b)
    expect(overMs[10]).toBeLessThan(3_000)
    expect(overMs[15]).toBeLessThan(6_000)
  })
})
