/**
 * A plan: the least rate, concurrency, number of workers and depth of the queue that keep an objective for a recorded load.
 *
 *     1. the fluid bound      what no queue can do without                          (fluid.ts, sizing.ts)
 *     2. the recursion        how many servers at that rate                         (paced-servers.ts, sizing.ts)
 *     3. the simulator        the real queue and consumers, on the whole load       (simulation.ts)
 *
 * If the simulator does not keep the objective the plan is raised by a step and simulated again; what a plan says is what the
 * simulator showed. The what-ifs are simulated in the same way.
 */

import type { Verdict } from './fitness.ts'
import { verdictOn } from './fitness.ts'
import { measured, type Objective } from './objective.ts'
import { scaledLoad, slowedLoad } from './scaled-load.ts'
import type { Simulation } from './simulation.ts'
import type { ThreadedOptions } from './simulation-threads.ts'
import { leastConcurrency, leastFluidRate, leastRate, type Load, roundedUp } from './sizing.ts'
import { peakQueued, peakWaiting, startWaits, type Waits, waitsOf } from './wait-figures.ts'

export interface PlanOptions {
  readonly load: Load
  readonly objective: Objective
  /** What a durable write, a claim and the way to the handler add to a wait. Default 20 ms. */
  readonly pickupMs?: number
  /** How many attempts one worker process runs at once, at most. Default 10. */
  readonly workerConcurrency?: number
  /** Of one worker, an hour; undefined: not asked for. */
  readonly workerCostPerHour?: number | undefined
  /** What the downstream bears at most: starts a second, attempts at once. Default: not known. */
  readonly maxRate?: number | undefined
  readonly maxConcurrency?: number | undefined
  /** Runs one simulation; those of the what-ifs are asked for all at once. */
  readonly simulate: (options: ThreadedOptions) => Promise<Simulation>
}

/** What is chosen. */
export interface Setting {
  readonly ratePerSecond: number
  readonly workers: number
  /** Of each worker. */
  readonly workerConcurrency: number
}

/** What the simulator showed. */
export interface Forecast {
  readonly waitMs: Waits
  /** Of the objective's measure, the pickup included. */
  readonly measuredMs: number
  readonly isKept: boolean
  /** The most that waited at once, and the most that were queued or in flight. */
  readonly peakWaiting: number
  readonly peakQueued: number
  /** Until the last task was over. */
  readonly durationMs: number
}

export interface WhatIf {
  readonly name: string
  readonly setting: Setting
  readonly forecast: Forecast
}

export interface Plan {
  readonly objective: Objective
  readonly requests: number
  readonly meanPerSecond: number
  readonly peakPerSecond: number
  readonly meanServiceMs: number
  readonly verdict: Verdict
  /** Undefined where nothing keeps the objective within the bounds: the verdict says why. */
  readonly chosen: Chosen | undefined
}

export interface Chosen {
  /** Below this no queue keeps the objective. */
  readonly fluidRate: number
  readonly setting: Setting
  /** For `maxDepth`: the peak and a fifth more. */
  readonly maxDepth: number
  readonly forecast: Forecast
  readonly simulation: Simulation
  readonly workerSeconds: number
  readonly cost: number | undefined
  readonly whatIfs: readonly WhatIf[]
}

const DEFAULT_PICKUP_MS = 20
const DEFAULT_WORKER_CONCURRENCY = 10

/** So often a plan that the simulator does not confirm is raised. */
const MOST_RAISES = 5

/** More at once than any downstream bears. */
const MOST_AT_ONCE = 10_000

/** @throws ForebayError as `simulate` does. */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { load, objective, pickupMs = DEFAULT_PICKUP_MS, maxRate, maxConcurrency } = options
  const fluidRate = leastFluidRate(load.arrivalsMs, objective)
  const rate = leastRate(load.arrivalsMs, objective, pickupMs)
  const most = maxConcurrency ?? MOST_AT_ONCE
  const concurrency = rate === undefined ? undefined : leastConcurrency(load, rate, { objective, pickupMs, most })
  const verdict = verdictOn({ load, objective, pickupMs, maxRate, maxConcurrency, rate, concurrency })
  const { meanPerSecond, peakPerSecond, meanServiceMs } = verdict.facts
  const facts = { objective, requests: load.arrivalsMs.length, meanPerSecond, peakPerSecond, meanServiceMs, verdict }
  if (!verdict.isPossible || rate === undefined || concurrency === undefined || fluidRate === undefined) {
    return { ...facts, chosen: undefined }
  }
  const planner = new Planner(options, pickupMs)
  const confirmed = await planner.confirm({ rate, concurrency })
  return { ...facts, chosen: { fluidRate, ...(await planner.spellOut(confirmed)) } }
}

interface Wish {
  readonly rate: number
  /** In all. */
  readonly concurrency: number
}

interface Confirmed {
  readonly setting: Setting
  readonly simulation: Simulation
}

class Planner {
  readonly #options: PlanOptions
  readonly #pickupMs: number

  constructor(options: PlanOptions, pickupMs: number) {
    this.#options = options
    this.#pickupMs = pickupMs
  }

  /** Raises it until the simulator keeps the objective too, or it has been raised often enough. */
  async confirm(wish: Wish): Promise<Confirmed> {
    const { maxRate = Number.POSITIVE_INFINITY, maxConcurrency = MOST_AT_ONCE } = this.#options
    let { rate, concurrency } = wish
    for (let raises = 0; ; raises++) {
      const setting = this.#settingFor(rate, concurrency)
      const simulation = await this.#run(this.#options.load, setting)
      if (raises === MOST_RAISES || this.#forecast(simulation).isKept) return { setting, simulation }
      rate = Math.min(maxRate, roundedUp(rate * 1.01, 3))
      concurrency = Math.min(maxConcurrency, Math.ceil(concurrency * 1.05))
    }
  }

  async spellOut({ setting, simulation }: Confirmed): Promise<Omit<Chosen, 'fluidRate'>> {
    const forecast = this.#forecast(simulation)
    const { workerCostPerHour } = this.#options
    const workerSeconds = (setting.workers * forecast.durationMs) / 1_000
    return {
      setting,
      forecast,
      simulation,
      maxDepth: roundedUp(forecast.peakQueued * 1.2, 2),
      workerSeconds,
      cost: workerCostPerHour === undefined ? undefined : (workerSeconds / 3_600) * workerCostPerHour,
      whatIfs: await this.#whatIfs(setting),
    }
  }

  async #whatIfs(setting: Setting): Promise<WhatIf[]> {
    const { load } = this.#options
    const cases: [name: string, load: Load, setting: Setting][] = [
      ['load x1.2', scaledLoad(load, 1.2), setting],
      ['load x0.8', scaledLoad(load, 0.8), setting],
      ['service time x1.5', slowedLoad(load, 1.5), setting],
      ...oneFewer(setting).map(([name, fewer]): [string, Load, Setting] => [name, load, fewer]),
      ['half the rate', load, { ...setting, ratePerSecond: setting.ratePerSecond / 2 }],
    ]
    return Promise.all(
      cases.map(async ([name, whatLoad, whatSetting]) => ({
        name,
        setting: whatSetting,
        forecast: this.#forecast(await this.#run(whatLoad, whatSetting)),
      })),
    )
  }

  #settingFor(ratePerSecond: number, concurrency: number): Setting {
    const { workerConcurrency = DEFAULT_WORKER_CONCURRENCY, maxConcurrency = MOST_AT_ONCE } = this.#options
    let workers = Math.ceil(concurrency / workerConcurrency)
    // Equal parts, rounded up, may be more than the service bears together; of one each they never are.
    while (workers * Math.ceil(concurrency / workers) > maxConcurrency) workers++
    return { ratePerSecond, workers, workerConcurrency: Math.ceil(concurrency / workers) }
  }

  #run({ arrivalsMs, serviceMs }: Load, setting: Setting): Promise<Simulation> {
    const { ratePerSecond, workers, workerConcurrency } = setting
    const longest = serviceMs.reduce((most, ms) => Math.max(most, ms), 0)
    return this.#options.simulate({
      arrivalsMs,
      serviceMs,
      workers,
      // A recorded service time is one that was waited for: no attempt is cut short.
      consumer: {
        rate: { perSecond: ratePerSecond, rampMs: 0 },
        concurrency: workerConcurrency,
        timeoutMs: Math.max(30_000, 2 * longest),
      },
    })
  }

  #forecast(simulation: Simulation): Forecast {
    const { objective } = this.#options
    const waits = startWaits(simulation)
    const measuredMs = measured(objective, waits) + this.#pickupMs
    return {
      waitMs: waitsOf(waits),
      measuredMs,
      isKept: measuredMs <= objective.boundMs,
      peakWaiting: peakWaiting(simulation),
      peakQueued: peakQueued(simulation),
      durationMs: simulation.durationMs,
    }
  }
}

/** One worker fewer; of one worker, one attempt fewer at once. */
function oneFewer(setting: Setting): [name: string, setting: Setting][] {
  const { workers, workerConcurrency } = setting
  if (workers > 1) return [['one worker fewer', { ...setting, workers: workers - 1 }]]
  if (workerConcurrency > 1) return [['one fewer at once', { ...setting, workerConcurrency: workerConcurrency - 1 }]]
  return []
}
