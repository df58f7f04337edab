import { describe, expect, it } from 'vitest'
import { seededRandom } from '../random.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import type { AttemptSample, ConcurrencyLimit, LimitChange } from './concurrency-limit.ts'

/**
 * A closed loop: `servers` serve first come first served, `serviceMs` each, and the limit is always used up.
 * @returns The limit that was held longest in the last tenth: at one moment it may probe.
 */
function closedLoop(
  limit: ConcurrencyLimit,
  until: number,
  servers: (at: number) => number,
  serviceMs: () => number,
  look: (limit: number, at: number, change: LimitChange | undefined) => void = () => {},
  result: () => AttemptSample['result'] = () => 'ok',
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
    const change = limit.ended({ startedAt: next.startedAt, at, result: result(), inFlight: running.length })
    running.shift()
    look(limit.limit, at, change)
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

  it('probes a calm downstream seldom, and with as many attempts as tell a tenth', () => {
    const next = seededRandom(7).next
    const limit = new AdaptiveLimit({ min: 1, max: 1_000 }, 10, next)
    const asked: number[] = []
    let ends: number | undefined
    closedLoop(
      limit,
      180_000,
      () => 20,
      () => 100 - 100 * Math.log(1 - next()),
      (_, at, change) => {
        if (at > 60_000 && change?.reason === 'probe') ends = 0
        else if (change?.reason === 'probed' && ends !== undefined) {
          asked.push(ends)
          ends = undefined
        } else if (ends !== undefined) ends++
      },
    )
    expect(asked.length).toBeGreaterThanOrEqual(2)
    expect(asked.length).toBeLessThanOrEqual(8)
    // Some that were under way end in between.
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(44)
  })

  it('is hardly cut by the few errors that there always are: one more than usual by chance is no sign', () => {
    let cuts = 0
    for (let seed = 0; seed < 8; seed++) {
      const { next } = seededRandom(seed)
      const limit = new AdaptiveLimit({ min: 1, max: 1_000 }, 10, next)
      closedLoop(
        limit,
        120_000,
        () => 20,
        () => 100 - 100 * Math.log(1 - next()),
        (_, __, change) => {
          if (change?.reason === 'errors') cuts++
        },
        () => (next() < 0.03 ? 'failed' : 'ok'),
      )
    }
    expect(cuts).toBeLessThanOrEqual(6)
  })
})
