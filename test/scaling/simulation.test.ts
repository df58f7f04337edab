/** The simulator behind `npm run bench:scaling`, and the default policy on slices of what the whole days show. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clairvoyant } from '../../bench/scaling/clairvoyant.ts'
import { drawnDay, fromCounts, type Load, languageModelHour, nasaDay } from '../../bench/scaling/loads.ts'
import { percentile } from '../../bench/scaling/percentile.ts'
import { backlogPerWorker, forebay, leastStatic } from '../../bench/scaling/policies.ts'
import { type Policy, type Setup, simulate } from '../../bench/scaling/simulation.ts'

const setup: Setup = { startUp: 30, control: 15, slo: 60 }
const fixed =
  (workers: number): Policy =>
  () =>
    workers

/** First come, first served, by so many workers from the beginning, told in the plainest way. */
function plainWaits({ at, service }: Load, workers: number): number[] {
  const free = Array.from({ length: workers }, () => 0)
  return Array.from(at, (came, task) => {
    const first = free.indexOf(Math.min(...free))
    const start = Math.max(came, free[first] as number)
    free[first] = start + service(task)
    return start - came
  })
}

function someLoad(counts: readonly number[], services: readonly number[]): Load {
  const { at } = fromCounts(counts, 1)
  const service = (task: number) => services[task % services.length] as number
  return { at, service, work: at.reduce((sum, _, task) => sum + service(task), 0) }
}

describe('the simulator', () => {
  const counts = fc.array(fc.nat(6), { minLength: 1, maxLength: 60 }).filter((all) => all.some((count) => count > 0))
  const services = fc.array(
    fc.integer({ min: 1, max: 40 }).map((tenths) => tenths / 10),
    { minLength: 1, maxLength: 7 },
  )

  it('with a fixed crew gives every task the wait that it has by the definition', () => {
    fc.assert(
      fc.property(counts, services, fc.integer({ min: 1, max: 5 }), (seconds, lengths, workers) => {
        const load = someLoad(seconds, lengths)
        const { waits, startUps } = simulate(load, fixed(workers), setup, workers)
        expect(startUps).toBe(0)
        const plain = plainWaits(load, workers)
        for (const [task, wait] of waits.entries()) expect(wait).toBeCloseTo(plain[task] as number, 3)
      }),
      { numRuns: 300 },
    )
  })

  it('whatever the policy does, serves every task once, in order, and bills no less than the work', () => {
    fc.assert(
      fc.property(
        counts,
        services,
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
        (seconds, lengths, wishes) => {
          const load = someLoad(seconds, lengths)
          let seenArrived = 0
          let turn = 0
          const { waits, billed } = simulate(
            load,
            ({ arrived, backlog, oldestAge, at }) => {
              seenArrived += arrived
              expect(backlog).toBeLessThanOrEqual(seenArrived)
              expect(oldestAge).toBeLessThanOrEqual(at)
              // A policy that never asks for anybody never ends.
              return Math.max(wishes[turn++ % wishes.length] as number, turn > 50 ? 1 : 0)
            },
            setup,
          )
          expect(waits).toHaveLength(load.at.length)
          expect(seenArrived).toBeLessThanOrEqual(load.at.length)
          const starts = Array.from(waits, (wait, task) => wait + (load.at[task] as number))
          for (let task = 1; task < starts.length; task++) {
            expect(starts[task]).toBeGreaterThanOrEqual((starts[task - 1] as number) - 1e-3)
          }
          expect(billed).toBeGreaterThanOrEqual(load.work - lengths.reduce((most, one) => Math.max(most, one), 0) * 6)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('bills a worker from when it is asked for, and lets it serve after its start-up', () => {
    const load = fromCounts([1, ...Array(14).fill(0), 1], 50)
    const { waits, billed } = simulate(load, () => 2, setup)
    // The second task comes at 15 s; the second worker is asked for at 15 s, and there at 45 s.
    expect(Array.from(waits)).toEqual([0, 30])
    // One worker until 15 s, two until 60 s, when the last task has begun.
    expect(billed).toBe(15 + 2 * 45)
  })

  it('lets a worker that is let go finish its task, and bills it until then', () => {
    const load = fromCounts([2, ...Array(29).fill(0), 1], 20)
    const wishes = [1]
    const { billed } = simulate(load, () => wishes.shift() ?? 1, setup, 2)
    // Two until 15 s and 5 s more for the one that had begun at 0; then one, until the last begins.
    expect(billed).toBe(2 * 15 + 5 + 2 * 15)
  })
})

describe('the clairvoyant bound', () => {
  it('is the work where it comes evenly in whole workers, and no policy needs less', () => {
    const even = fromCounts(Array(900).fill(20), 0.1)
    expect(clairvoyant(even, setup) / even.work).toBeLessThan(1.05)
    const load = fromCounts(
      Array.from({ length: 1_800 }, (_, second) => (second % 600 < 120 ? 60 : 5)),
      0.1,
    )
    const needed = simulate(load, forebay(setup), setup).billed
    expect(clairvoyant(load, setup)).toBeLessThanOrEqual(needed)
    expect(clairvoyant(load, setup)).toBeGreaterThanOrEqual(load.work - 60 * 60 * 0.1)
  })
})

describe('the default policy', () => {
  /** Two hours of a day, the rise to its peak. */
  const slice = (load: Load): Load => {
    const from = load.at.findIndex((at) => at >= 7.5 * 3_600)
    const until = load.at.findIndex((at) => at >= 9.5 * 3_600)
    const at = load.at.slice(from, until).map((time) => time - 7.5 * 3_600)
    return { at, service: load.service, work: at.length * load.service(0) }
  }

  it.each([
    ['NASA x50, 60 s', () => nasaDay(50), { ...setup, slo: 60 }, 1.09],
    ['NASA x20, 30 s', () => nasaDay(20), { ...setup, slo: 30 }, 1.45],
    ['a language model, 60 s', () => languageModelHour(20), { ...setup, slo: 60 }, 2],
    ['a drawn day, 60 s', () => slice(drawnDay(1, 40)), { ...setup, slo: 60 }, 1.09],
  ])('keeps the p99 with few worker-seconds: %s', (_, loadOf, given, most) => {
    const load = loadOf()
    const { waits, billed } = simulate(load, forebay(given), given, 2)
    expect(percentile(waits, 0.99)).toBeLessThanOrEqual(given.slo)
    expect(billed / load.work).toBeLessThanOrEqual(most)
  })

  it('needs less than a fixed backlog for each worker, and than the least fixed crew', () => {
    const load = slice(nasaDay(20))
    const needed = simulate(load, forebay(setup), setup).billed
    const least = leastStatic(load, setup)
    expect(needed).toBeLessThan(simulate(load, backlogPerWorker(5, 300, setup), setup).billed / 5)
    expect(needed).toBeLessThan(simulate(load, fixed(least), setup, least).billed)
    const { waits } = simulate(load, fixed(least - 1), setup, least - 1)
    expect(percentile(waits, 0.99)).toBeGreaterThan(setup.slo)
  })
})
