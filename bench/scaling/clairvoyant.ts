/**
 * What hindsight needs: the fewest billed worker-seconds with which whole workers serve everything in time.
 *
 *     V(t, n, b) = n P + min over n' of ( S max(0, n' - n) + V(t + P, n', b') ),    b' = max(0, b + a(t) - n P) <= work that came in the last W
 *
 * n workers, b work that waits, a the work that comes in a control period P. Exact dynamic programming over whole workers and
 * over work in grains of P / 5 (what comes is rounded down in total, never each time); work is taken as a fluid and start-ups as
 * ordered ahead of their time. Both make it cheaper than anything real. Unlike a p99 it lets nothing be late. Seconds.
 */

import type { Load } from './loads.ts'
import type { Setup } from './simulation.ts'

const GRAINS = 5

/** @returns Worker-seconds. */
export function clairvoyant(load: Load, { startUp, control, slo }: Setup): number {
  const grain = control / GRAINS
  const comes = workPerPeriod(load, control, grain)
  const inTime = Math.max(1, Math.floor(slo / control))
  const within = comes.map((_, period) => comes.slice(Math.max(0, period - inTime + 1), period + 1).reduce(sum, 0))
  const mostWork = Math.max(...within) + 1
  const mostWorkers = Math.ceil(Math.max(...comes) / GRAINS) + 2
  const width = mostWorkers + 1
  let costs: Float64Array = new Float64Array((mostWork + 1) * width).fill(Number.POSITIVE_INFINITY)
  costs.fill(0, 0, width)
  for (let period = 0; period < comes.length; period++) {
    costs = step(costs, {
      comes: comes[period] as number,
      most: within[period] as number,
      width,
      mostWork,
      startUp,
      control,
    })
  }
  return costs.reduce((least, cost) => Math.min(least, cost), Number.POSITIVE_INFINITY)
}

interface Step {
  readonly comes: number
  /** Only so much may wait after it. */
  readonly most: number
  readonly width: number
  readonly mostWork: number
  readonly startUp: number
  readonly control: number
}

function step(costs: Float64Array, { comes, most, width, mostWork, startUp, control }: Step): Float64Array {
  const next = new Float64Array(costs.length).fill(Number.POSITIVE_INFINITY)
  for (let work = 0; work <= mostWork; work++) {
    const row = work * width
    // Fewer costs nothing; one more costs a start-up.
    for (let workers = width - 2; workers >= 0; workers--) {
      costs[row + workers] = Math.min(costs[row + workers] as number, costs[row + workers + 1] as number)
    }
    for (let workers = 1; workers < width; workers++) {
      costs[row + workers] = Math.min(costs[row + workers] as number, (costs[row + workers - 1] as number) + startUp)
    }
    for (let workers = 0; workers < width; workers++) {
      const left = Math.max(0, work + comes - workers * GRAINS)
      if (left > most) continue
      const place = left * width + workers
      next[place] = Math.min(next[place] as number, (costs[row + workers] as number) + workers * control)
    }
  }
  return next
}

function workPerPeriod({ at, service }: Load, control: number, grain: number): number[] {
  const periods = Array.from({ length: Math.ceil((at.at(-1) as number) / control) + 1 }, () => 0)
  for (let task = 0; task < at.length; task++) {
    const period = Math.floor((at[task] as number) / control)
    periods[period] = (periods[period] as number) + service(task)
  }
  let [total, given] = [0, 0]
  return periods.map((work) => {
    total += work
    const grains = Math.floor(total / grain) - given
    given += grains
    return grains
  })
}

const sum = (a: number, b: number) => a + b
