import { describe, expect, it } from 'vitest'
import { readTrace } from '../replay/trace.ts'
import { parseObjective } from './objective.ts'
import { makePlan, type PlanOptions } from './plan.ts'
import { planReport } from './plan-report.ts'
import { parseServiceTime, serviceTimes } from './service-time.ts'
import { simulate } from './simulation.ts'
import { SimulationThreads } from './simulation-threads.ts'

const SLICE = new URL('../../traces/nasa-http-1995-07-13-busiest-10min.csv', import.meta.url)

const { arrivalsMs } = await readTrace(SLICE)

const planFor = (slo: string, service: string, rest: Partial<PlanOptions> = {}) => {
  const load = { arrivalsMs, serviceMs: serviceTimes(parseServiceTime(service), arrivalsMs.length) }
  return makePlan({ load, objective: parseObjective(slo), simulate, ...rest })
}

// Each plan is seven simulations of ten minutes.
describe('makePlan', { timeout: 60_000 }, () => {
  it('finds the least rate and concurrency that keep the objective, and simulates what would happen otherwise', async () => {
    const plan = await planFor('p99 wait < 30s', 'exp:500ms', { workerConcurrency: 2, workerCostPerHour: 3.6 })
    const { setting, forecast, whatIfs, workerSeconds, cost, maxDepth, fluidRate } = plan.chosen ?? {}
    expect(setting).toEqual({ ratePerSecond: 5.07, workers: 3, workerConcurrency: 2 })
    expect(fluidRate).toBeCloseTo(5.05, 2)
    expect(forecast).toMatchObject({ isKept: true })
    expect(forecast?.measuredMs).toBeLessThanOrEqual(30_000)
    expect(maxDepth).toBeGreaterThan(1.19 * (forecast?.peakQueued as number))
    expect(cost).toBeCloseTo((workerSeconds as number) / 1_000, 6)
    const kept = whatIfs?.map(({ name, forecast: seen }) => [name, seen.isKept])
    expect(kept).toEqual([
      ['load x1.2', false],
      ['load x0.8', true],
      ['service time x1.5', expect.any(Boolean)],
      ['one worker fewer', false],
      ['half the rate', false],
    ])
    expect(plan.verdict).toMatchObject({ isPossible: true, isLevelingApt: true, reasons: [] })
  })

  it('says in a sentence why leveling is the wrong answer', async () => {
    const over = await planFor('p99 wait < 1h', '100ms', { maxRate: 4 })
    expect(over.chosen).toBeUndefined()
    expect(over.verdict.reasons).toEqual([
      expect.stringMatching(/^Load leveling is the wrong answer: 5\.09\/s come on average and the service bears 4\/s/),
    ])
    const slow = await planFor('p99 wait < 1h', '1s', { maxConcurrency: 3 })
    expect(slow.verdict.reasons[0]).toContain('3 at once, each 1 s long, are 3/s')
    const close = await planFor('p99 wait < 10ms', '100ms')
    expect(close.verdict.reasons[0]).toContain('leaves less time than a queue itself takes (20 ms')
    expect(planReport(close)).toContain('Load leveling is the wrong answer')
  })

  it('says what bounds forbid, and what they would allow', async () => {
    const rate = await planFor('p99 wait < 5s', '100ms', { maxRate: 5.3 })
    expect(rate.verdict.reasons[0]).toMatch(
      /^No plan keeps "p99 wait < 5s" within 5\.3\/s: it takes 6\.61\/s\. At 5\.3\/s no queue can do better than 20\.3 s; /,
    )
    const atOnce = await planFor('p99 wait < 5s', '1s', { maxConcurrency: 6 })
    expect(atOnce.chosen).toBeUndefined()
    expect(atOnce.verdict.reasons[0]).toContain('No plan keeps "p99 wait < 5s" with 6 attempts at once')
  })

  it('gives all workers together no more than the service bears', async () => {
    const plan = await planFor('p99 wait < 30s', 'exp:500ms', { workerConcurrency: 2, maxConcurrency: 5 })
    expect(plan.chosen?.setting).toMatchObject({ workers: 5, workerConcurrency: 1 })
  })

  it('says where hardly anything is leveled', async () => {
    const plan = await planFor('max wait < 100ms', '10ms')
    expect(plan.verdict).toMatchObject({ isPossible: true, isLevelingApt: false })
    expect(plan.verdict.reasons[0]).toContain('Hardly anything is leveled')
  })

  it('raises what the simulator does not confirm', async () => {
    let runs = 0
    const plan = await planFor('p99 wait < 30s', '100ms', {
      simulate: async (options) => {
        const seen = await simulate(options)
        // As if the first run had found each start ten seconds later.
        return ++runs === 1 ? { ...seen, startsMs: seen.startsMs.map((start) => start + 10_000) } : seen
      },
    })
    expect(plan.chosen?.setting.ratePerSecond).toBeGreaterThan(5.07)
    expect(plan.chosen?.forecast.isKept).toBe(true)
  })
})

describe('SimulationThreads', { timeout: 60_000 }, () => {
  it('give what a simulation here gives, several at a time, and end when they are told to', async () => {
    const options = {
      arrivalsMs: arrivalsMs.subarray(0, 300),
      serviceMs: new Float64Array(300).fill(20),
      consumer: { rate: { perSecond: 8 }, concurrency: 2 },
    }
    const shares: number[] = []
    const threads = new SimulationThreads({ onProgress: (share) => shares.push(share) })
    const here = await simulate(options)
    const there = await Promise.all([1, 2, 3].map(() => threads.simulate(options)))
    for (const one of there) expect(one.startsMs).toEqual(here.startsMs)
    expect(shares.at(-1)).toBe(1)
    await expect(threads.simulate({ ...options, consumer: { concurrency: 0 } })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    const stopped = new SimulationThreads({ signal: AbortSignal.abort(new Error('stopped')) })
    await expect(stopped.simulate(options)).rejects.toThrow('stopped')
  })
})
