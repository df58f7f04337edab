/** What a simulation showed, as figures. Pure. */

import type { Simulation } from './simulation.ts'
import { mean, percentile } from './statistics.ts'

/** Milliseconds; 0 where nothing waited. */
export interface Waits {
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export function waitsOf(waitsMs: Float64Array): Waits {
  const sorted = waitsMs.toSorted()
  const at = (q: number) => percentile(sorted, q) ?? 0
  return { mean: mean(sorted) ?? 0, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** From arrival to the first start, of each that started. */
export function startWaits({ arrivalsMs, startsMs }: Simulation): Float64Array {
  return startsMs.map((start, index) => start - (arrivalsMs[index] as number)).filter((wait) => !Number.isNaN(wait))
}

/** The most tasks that waited for their start at once. */
export function peakWaiting({ arrivalsMs, startsMs, endsMs }: Simulation): number {
  // One that was dropped or expired waited until then.
  const leftMs = startsMs.map((start, index) => (Number.isNaN(start) ? (endsMs[index] as number) : start))
  return peakPresent(arrivalsMs, leftMs)
}

/** The most tasks that were queued or in flight at once: what `maxDepth` counts. */
export function peakQueued({ arrivalsMs, endsMs }: Simulation): number {
  return peakPresent(arrivalsMs, endsMs)
}

/** @param leftMs When each went; NaN: it never came in. One that goes as it comes was there at that instant. */
function peakPresent(cameMs: ArrayLike<number>, leftMs: Float64Array): number {
  const departures = leftMs.filter((at) => !Number.isNaN(at)).sort()
  let came = 0
  let left = 0
  let peak = 0
  for (let index = 0; index < leftMs.length; index++) {
    if (Number.isNaN(leftMs[index])) continue
    came++
    while ((departures[left] as number) < (cameMs[index] as number)) left++
    peak = Math.max(peak, came - left)
  }
  return peak
}
