import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Breaker, type BreakerCall, type BreakerSettings, type BreakerState, type CallResult } from './breaker.ts'

const settings = fc.record<BreakerSettings>({
  failureRate: fc.double({ min: 0.05, max: 1, noNaN: true }),
  slowRate: fc.double({ min: 0.05, max: 1, noNaN: true }),
  slowMs: fc.integer({ min: 1, max: 100 }),
  minCalls: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.integer({ min: 100, max: 2_000 }),
  openMs: fc.integer({ min: 10, max: 500 }),
  maxOpenMs: fc.integer({ min: 500, max: 2_000 }),
  probes: fc.integer({ min: 1, max: 4 }),
})

const result = fc.constantFrom<CallResult>('good', 'failed', 'none')
const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 300 }),
  starts: fc.integer({ min: 0, max: 4 }),
  ends: fc.array(fc.record({ result, durationMs: fc.integer({ min: 0, max: 120 }) }), { maxLength: 4 }),
  chance: fc.double({ min: 0, max: 0.999, noNaN: true }),
})

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

interface Call {
  readonly tenth: number
  readonly failed: boolean
  readonly slow: boolean
}

const GENTLE: BreakerSettings = {
  failureRate: 0.5,
  slowRate: 1,
  slowMs: 1_000,
  minCalls: 10,
  windowMs: 1_000,
  openMs: 100,
  maxOpenMs: 1_000,
  probes: 2,
}

/** The rule of opening, over a list of all calls. */
function isTooMuch(calls: readonly Call[], now: number, by: BreakerSettings): boolean {
  const tenth = Math.floor((now * 10) / by.windowMs)
  const counted = calls.filter((call) => call.tenth > tenth - 10)
  const share = (of: 'failed' | 'slow') => counted.filter((call) => call[of]).length / counted.length
  return counted.length >= by.minCalls && (share('failed') >= by.failureRate || share('slow') >= by.slowRate)
}

/** Drives a breaker at random and judges each of its decisions by the rules as stated; returns the changes of state. */
function drive(by: BreakerSettings, steps: readonly Step[]): string[] {
  const breaker = new Breaker(by)
  const changes: string[] = []
  let now = 0
  let era = 0
  let opensInARow = 0
  let probes = { started: 0, good: 0 }
  const running: { call: BreakerCall; era: number }[] = []
  let calls: Call[] = []
  const note = (before: BreakerState) => {
    if (breaker.state === before) return
    changes.push(`${before} > ${breaker.state}`)
    era++
    if (breaker.state === 'half-open') probes = { started: 0, good: 0 }
    if (breaker.state === 'closed') [calls, opensInARow] = [[], 0]
  }
  for (const { waitMs, starts, ends, chance } of steps) {
    now += waitMs
    const before = breaker.state
    const room = breaker.room(now)
    note(before)
    if (before === 'open') expect(breaker.state).toBe(now >= breaker.openUntil ? 'half-open' : 'open')
    else expect(breaker.state).toBe(before)
    const allowed = { closed: Number.POSITIVE_INFINITY, open: 0, 'half-open': by.probes - probes.started }
    expect(room).toBe(allowed[breaker.state])
    for (let n = 0; n < Math.min(starts, room); n++) {
      running.push({ call: breaker.start(), era })
      if (breaker.state === 'half-open') probes.started++
    }
    for (const { result, durationMs } of ends) {
      const ended = running.shift()
      if (!ended) break
      const state = breaker.state
      const [failed, slow] = [result === 'failed', durationMs >= by.slowMs]
      let expected = state
      if (ended.era === era && result === 'none') {
        if (state === 'half-open') probes.started--
      } else if (ended.era === era && state === 'closed') {
        calls.push({ tenth: Math.floor((now * 10) / by.windowMs), failed, slow })
        if (isTooMuch(calls, now, by)) expected = 'open'
      } else if (ended.era === era) {
        if (!failed && !slow) probes.good++
        expected = failed || slow ? 'open' : probes.good === by.probes ? 'closed' : state
      }
      breaker.end(ended.call, result, durationMs, now, chance)
      expect(breaker.state).toBe(expected)
      note(state)
      if (state !== 'open' && expected === 'open') {
        const ceiling = Math.min(by.maxOpenMs, by.openMs * 2 ** opensInARow++)
        expect(breaker.openUntil - now).toBeCloseTo((ceiling * (1 + chance)) / 2, 6)
      }
    }
  }
  return changes
}

describe('Breaker', () => {
  it('never starts while open, at most the probes half-open, and opens exactly when a rate passes with enough calls', () => {
    const seen = new Map<string, number>()
    const law = fc.property(settings, fc.array(step, { minLength: 20, maxLength: 80 }), (by, steps) => {
      for (const change of drive(by, steps)) seen.set(change, (seen.get(change) ?? 0) + 1)
    })
    fc.assert(law, { numRuns: 1_000 })
    // The cases reached every change of state, so that the law was judged in each.
    const changes = ['closed > open', 'half-open > closed', 'half-open > open', 'open > half-open']
    expect([...seen.keys()].sort()).toEqual(changes)
  })

  it('says why it opened', () => {
    const breaker = new Breaker({ ...GENTLE, minCalls: 2 })
    breaker.end(breaker.start(), 'good', 1, 0, 0)
    breaker.end(breaker.start(), 'failed', 1, 0, 0)
    expect([breaker.state, breaker.reason, breaker.openUntil]).toEqual(['open', '1 of 2 calls failed', 50])
  })
})
