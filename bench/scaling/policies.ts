/**
 * The default policy of Forebay, and those of others, written again from their published rules. All are given the same: what is seen
 * at a control instant, the true mean service time, the objective. At most 100 workers, KEDA's own default, and at least one.
 */

import { ScalingPolicy } from '../../packages/forebay/src/flow/scaling-policy.ts'
import type { Load } from './loads.ts'
import { type Policy, type Setup, simulate } from './simulation.ts'
import { percentile } from './percentile.ts'

const MOST = 100
const bounded = (workers: number) => Math.min(MOST, Math.max(1, Math.ceil(workers)))

/** What every queue gets that sets nothing but its objective. */
export function forebay({ slo, startUp, control }: Setup): Policy {
  const policy = new ScalingPolicy({
    waitMs: slo * 1_000,
    startUpMs: startUp * 1_000,
    controlMs: control * 1_000,
    max: MOST,
  })
  return ({ at, arrived, backlog, oldestAge, ready, starting, service, deviation }) =>
    policy.decide({
      atMs: at * 1_000,
      arrived,
      backlog,
      oldestAgeMs: oldestAge * 1_000,
      ready,
      starting,
      serviceMs: service === undefined ? undefined : service * 1_000,
      serviceDeviationMs: deviation * 1_000,
    }).desired
}

/** So much backlog for each worker; fewer only if fewer would have done for all of the last `stabilisation` seconds (Kubernetes HPA). */
export function backlogPerWorker(target: number, stabilisation: number, { control }: Setup): Policy {
  const wishes: number[] = []
  const kept = Math.max(1, Math.round(stabilisation / control))
  return ({ backlog, ready, starting }) => {
    const wish = bounded(backlog / target)
    wishes.push(wish)
    if (wishes.length > kept) wishes.shift()
    return Math.max(wish, Math.min(ready + starting, Math.max(...wishes)))
  }
}

/** Square-root staffing (Halfin, Whitt 1981) for the rate of the last minute: R + 2 sqrt(R), R the work that comes a second. */
export function squareRootStaffing(service: number, { control }: Setup): Policy {
  let rate: number | undefined
  return ({ arrived }) => {
    const measured = arrived / control
    rate = rate === undefined ? measured : rate + (1 - Math.exp(-control / 60)) * (measured - rate)
    const load = rate * service
    return bounded(load + 2 * Math.sqrt(load))
  }
}

/** Workers for the rate of the last minutes, and the backlog brought back within one SLO to half of what would be in time. */
export function sloFloat(service: number, { control, slo }: Setup): Policy {
  let rate: number | undefined
  return ({ arrived, backlog, ready, starting }) => {
    const measured = arrived / control
    rate = rate === undefined ? measured : rate + (1 - Math.exp(-control / 120)) * (measured - rate)
    const excess = (share: number) => ((backlog - share * slo * (rate as number)) * service) / slo
    const most = bounded(rate * service + excess(0.2))
    const least = bounded(rate * service + excess(0.5))
    return Math.min(most, Math.max(least, ready + starting))
  }
}

/** As many workers all day as keep the p99, found with hindsight. */
export function leastStatic(load: Load, setup: Setup): number {
  let [low, high] = [Math.max(0, Math.floor(load.work / (load.at.at(-1) as number)) - 1), MOST]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const { waits } = simulate(load, () => middle, setup, middle)
    if (percentile(waits, 0.99) <= setup.slo) high = middle
    else low = middle
  }
  return high
}
