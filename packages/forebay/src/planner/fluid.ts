/**
 * The fluid bound: the least wait that any queue in front of a server of a given rate can give to a given load.
 *
 * A server that works at `r` units a second, without pause while there is work, and takes arrivals in their order:
 *
 *     W_1 = 0
 *     W_k = max(0, W_(k-1) + w_(k-1) / r - (t_k - t_(k-1)))
 *
 * where arrival k comes at `t_k` with work `w_k` and waits `W_k`. This is Lindley's recursion (D. V. Lindley, "The theory of
 * queues with a single server", 1952) with the service time `w / r`. No queue that keeps to the rate in every window can
 * have a smaller mean wait with equal work, whatever its order; so a measured wait is read beside this one, and what it
 * is above it is the queue's own doing. (A queue that bursts above its rate can have less, which is why it is
 * always read together with the largest number of starts in a sliding window.)
 *
 * The peak backlog is the most work that stands at any time, that of an arrival at its own instant included:
 * `max over s <= t of A(s, t) - r (t - s)`, with `A(s, t)` the work that arrives from `s` to `t`, ends included.
 */

import { ForebayError } from '../errors.ts'

export interface FluidBound {
  /** The wait of each arrival, milliseconds, in the order of the arrivals. */
  readonly waitsMs: Float64Array
  /** The most work that stands at once, in units of work (requests, if each has the work 1). */
  readonly peakBacklog: number
}

/**
 * @param arrivalsMs When each arrival comes, milliseconds from any origin, never falling.
 * @param ratePerSecond Units of work a second, above 0.
 * @param work The work of each arrival, at least 0. Default: 1 each.
 * @throws ForebayError `INVALID_OPTION` for a rate that is not above 0, times that go back, or missing work.
 */
export function fluidBound(arrivalsMs: ArrayLike<number>, ratePerSecond: number, work?: ArrayLike<number>): FluidBound {
  if (!(ratePerSecond > 0)) throw new ForebayError('INVALID_OPTION', `rate: must be above 0, and is ${ratePerSecond}.`)
  const perMs = ratePerSecond / 1_000
  const waitsMs = new Float64Array(arrivalsMs.length)
  let peakBacklog = 0
  let wait = 0
  for (let k = 0; k < arrivalsMs.length; k++) {
    if (k > 0) {
      const gap = at(arrivalsMs, k) - at(arrivalsMs, k - 1)
      if (!(gap >= 0))
        throw new ForebayError('INVALID_OPTION', `arrivals: number ${k + 1} comes before the one ahead of it.`)
      wait = Math.max(0, wait + workOf(work, k - 1) / perMs - gap)
    }
    waitsMs[k] = wait
    peakBacklog = Math.max(peakBacklog, wait * perMs + workOf(work, k))
  }
  return { waitsMs, peakBacklog }
}

function workOf(work: ArrayLike<number> | undefined, k: number): number {
  return work === undefined ? 1 : at(work, k)
}

function at(numbers: ArrayLike<number>, k: number): number {
  const number = numbers[k]
  if (number === undefined) throw new ForebayError('INVALID_OPTION', `work: none is given for arrival ${k + 1}.`)
  return number
}
