/**
 * The least rate, and then the least concurrency, that keep an objective: by bisection, since waits only fall when either rises.
 *
 *     rate          least r with  measure(fluid waits at r) + pickup + 1/r <= ROOM x bound
 *     concurrency   least c with  measure(waits behind r and c servers) + pickup <= bound
 *
 * `pickup` is what a real queue adds to what is computed here (a durable write, a claim, the way to the handler); `1/r` is for
 * processes that share a rate: a slot that one of them did not use in time is lost.
 *
 * The rate comes first, because it is what the downstream is asked to bear. `ROOM` leaves a little of the bound for the
 * concurrency: at the very least rate any wait for a free slot would break the objective, and concurrency without end be needed.
 */

import { fluidBound } from './fluid.ts'
import { measured, type Objective } from './objective.ts'
import { waitsBehind } from './paced-servers.ts'

export interface Load {
  readonly arrivalsMs: Float64Array
  /** Of each arrival's attempt. */
  readonly serviceMs: Float64Array
}

/** Share of the bound that the rate alone may use up. */
const ROOM = 0.98

/** A rate beyond this is none that a service has. */
const HIGHEST_RATE = 1e7

/** Of a found rate; three significant digits are rounded up to afterwards. */
const PRECISION = 1e-4

/** The least rate at which no queue is kept from the objective; undefined if there is none. */
export function leastFluidRate(arrivalsMs: Float64Array, objective: Objective): number | undefined {
  return bisectRate((rate) => measured(objective, fluidBound(arrivalsMs, rate).waitsMs) <= objective.boundMs)
}

/** The least rate, rounded up to three digits, for a plan; undefined if no rate keeps the objective. */
export function leastRate(arrivalsMs: Float64Array, objective: Objective, pickupMs: number): number | undefined {
  const isEnough = (rate: number) => {
    const left = ROOM * objective.boundMs - pickupMs - 1_000 / rate
    return left >= 0 && measured(objective, fluidBound(arrivalsMs, rate).waitsMs) <= left
  }
  const least = bisectRate(isEnough)
  return least === undefined ? undefined : roundedUp(least, 3)
}

/** The least concurrency in all at this rate; undefined if `most` is not enough. */
export function leastConcurrency(
  load: Load,
  ratePerSecond: number,
  { objective, pickupMs, most }: { readonly objective: Objective; readonly pickupMs: number; readonly most: number },
): number | undefined {
  const left = objective.boundMs - pickupMs
  const isEnough = (servers: number) =>
    measured(objective, waitsBehind(load.arrivalsMs, load.serviceMs, { ratePerSecond, servers })) <= left
  let high = 1
  while (!isEnough(high)) {
    if (high >= most) return undefined
    high = Math.min(2 * high, most)
  }
  let low = high >> 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (isEnough(middle)) high = middle
    else low = middle
  }
  return high
}

/** The least rate for which it holds, and holds above; undefined if it does nowhere. */
function bisectRate(isEnough: (rate: number) => boolean): number | undefined {
  let high = 1e-3
  while (!isEnough(high)) {
    if (high >= HIGHEST_RATE) return undefined
    high *= 2
  }
  let low = high / 2
  while (high / low > 1 + PRECISION) {
    const middle = Math.sqrt(low * high)
    if (isEnough(middle)) high = middle
    else low = middle
  }
  return high
}

export function roundedUp(value: number, digits: number): number {
  const step = 10 ** (Math.floor(Math.log10(value)) - digits + 1)
  // In whole steps first: 4.9 is not 4.91 for the sake of a last bit.
  return Number((Math.ceil(value / step - 1e-9) * step).toPrecision(digits))
}
