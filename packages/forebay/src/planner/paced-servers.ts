/**
 * What a queue in front of several servers and a limit on the rate gives, computed: first come, first served, `c` servers, and
 * no two starts closer than `1/r`:
 *
 *     s_k = max(t_k, s_(k-1) + 1/r, F_k)        F_k = when the first of the c servers is free
 *     W_k = s_k - t_k                            that server is free again at s_k + S_k
 *
 * where arrival k comes at `t_k`, starts at `s_k` and is served for `S_k`. With unlimited `c` it is the fluid bound (fluid.ts)
 * for equal work, with unlimited `r` the recursion of J. Kiefer and J. Wolfowitz ("On the theory of queues with many servers",
 * 1955). `O(n log c)`: it finds in milliseconds where a simulation need look at all.
 */

import { ForebayError } from '../errors.ts'

export interface PacedServers {
  /** Starts a second, above 0; Infinity: no limit. */
  readonly ratePerSecond: number
  /** How many may be served at once, at least 1; Infinity: no limit. */
  readonly servers: number
}

/**
 * The wait of each arrival, milliseconds.
 * @param arrivalsMs Never falling. @param serviceMs Of each, at least 0.
 * @throws ForebayError `INVALID_OPTION`.
 */
export function waitsBehind(
  arrivalsMs: ArrayLike<number>,
  serviceMs: ArrayLike<number>,
  { ratePerSecond, servers }: PacedServers,
): Float64Array {
  if (!(ratePerSecond > 0)) throw new ForebayError('INVALID_OPTION', `rate: must be above 0, and is ${ratePerSecond}.`)
  if (!(servers >= 1)) throw new ForebayError('INVALID_OPTION', `concurrency: must be at least 1, and is ${servers}.`)
  const gapMs = 1_000 / ratePerSecond
  const waits = new Float64Array(arrivalsMs.length)
  const free = new FreeTimes(Math.min(servers, arrivalsMs.length))
  let earliest = Number.NEGATIVE_INFINITY
  for (let k = 0; k < arrivalsMs.length; k++) {
    const arrival = arrivalsMs[k] as number
    const start = Math.max(arrival, earliest, free.first)
    free.occupy(start + (serviceMs[k] as number))
    waits[k] = start - arrival
    earliest = start + gapMs
  }
  return waits
}

/** When each server is free: a binary heap, the first one on top. */
class FreeTimes {
  readonly #heap: Float64Array

  constructor(servers: number) {
    this.#heap = new Float64Array(servers).fill(Number.NEGATIVE_INFINITY)
  }

  get first(): number {
    return this.#heap[0] as number
  }

  /** The first free server is taken until then. */
  occupy(until: number): void {
    const heap = this.#heap
    let at = 0
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && (heap[below + 1] as number) < (heap[below] as number)) below++
      if ((heap[below] as number) >= until) break
      heap[at] = heap[below] as number
      at = below
    }
    heap[at] = until
  }
}
