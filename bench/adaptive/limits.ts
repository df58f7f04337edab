/** The limits that are measured side by side, and the best of those that do not move. */

import { AdaptiveLimit } from '../../packages/forebay/src/flow/adaptive-limit.ts'
import { AimdLimit } from '../../packages/forebay/src/flow/aimd-limit.ts'
import type { ConcurrencyLimit } from '../../packages/forebay/src/flow/concurrency-limit.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import { EnvoyLikeLimit, FixedLimit, Gradient2Limit, VegasLimit } from './rivals.ts'
import { bestInFlight, type Downstream, type Result, simulate } from './simulation.ts'

/** Where each limit starts that is not told otherwise. */
export const INITIAL = 10

export type Make = (initial: number, most: number, seed: number) => ConcurrencyLimit

export const LIMITS: Readonly<Record<string, Make>> = {
  AIMD: (initial, max) => new AimdLimit({ min: 1, max }, initial),
  Vegas: (initial, most) => new VegasLimit(initial, most),
  Gradient2: (initial, most) => new Gradient2Limit(initial, most),
  'Envoy-like': (initial, most) => new EnvoyLikeLimit(initial, most),
  adaptive: (initial, max, seed) => new AdaptiveLimit({ min: 1, max }, initial, seededRandom(seed + 1_000).next),
}

/**
 * The fixed limit with the most goodput, of those near the best in the mean over time; the smallest within 0.5%.
 * @param make A downstream anew for each run: it may remember what it was asked.
 */
export function bestFixed(make: () => Downstream, seed: number): Result & { readonly limit: number } {
  const moments = Array.from({ length: 50 }, (_, index) => (make().durationMs * index) / 50)
  const near = moments.reduce((sum, at) => sum + bestInFlight(make(), at), 0) / moments.length
  const tried = [0.35, 0.6, 0.8, 1, 1.3, 1.8, 2.5].map((share) => {
    const limit = Math.max(1, Math.round(share * near))
    return { limit, ...simulate(make(), new FixedLimit(limit), seed) }
  })
  const most = Math.max(...tried.map(({ goodput }) => goodput))
  return tried.find(({ goodput }) => goodput > most - 0.5) as (typeof tried)[number]
}
