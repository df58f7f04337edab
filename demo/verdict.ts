/** What the demo promises, checked on its own figures. */

import { firstArrivals, type ReplayFigures } from '../packages/forebay/src/replay/figures.ts'
import type { Replay } from '../packages/forebay/src/replay/run-replay.ts'

export interface Promised {
  readonly text: string
  readonly kept: boolean
}

/** The leveled act of an undisturbed run. */
export function promisesOf(figures: ReplayFigures, rate: number): Promised[] {
  const { completed, offered, failed, lost, maxStarts, output, waitMs, fluidWaitMs } = figures
  const mean = output.meanPerSecondWhileBacklogged
  const most = (fluidWaitMs.p99 ?? 0) * 1.02 + 50
  return [
    {
      text: `${completed} of ${offered} completed, ${failed} failed, ${lost} lost`,
      kept: completed === offered && failed === 0 && lost === 0,
    },
    {
      text: `at most ${maxStarts.in1s} starts in any second (promised: ${rate + 1})`,
      kept: maxStarts.in1s !== null && maxStarts.in1s <= rate + 1,
    },
    {
      text: `${mean?.toFixed(2) ?? 'unknown'}/s while a backlog stood (promised: ${(0.99 * rate).toFixed(2)}/s or more)`,
      // A load that never builds a backlog up has nothing to show here.
      kept: mean === null || mean >= 0.99 * rate,
    },
    {
      text: `p99 wait ${inSeconds(waitMs.p99)} (promised: ${inSeconds(most)}; no queue at this rate can have less than ${inSeconds(fluidWaitMs.p99)})`,
      kept: waitMs.p99 !== null && waitMs.p99 <= most,
    },
  ]
}

/** A run in whose middle the gateway was killed: at least once, and nothing that was acknowledged is lost. */
export function promisesAfterKill({ record }: Replay, figures: ReplayFigures): Promised[] {
  const arrivals = record.arrivals ?? []
  const arrived = firstArrivals(arrivals).size
  return [
    {
      text: `${figures.accepted} acknowledged, ${arrived} of them reached the service, ${figures.completed} were served, ${figures.lost} lost`,
      kept: figures.lost === 0 && figures.completed >= figures.accepted,
    },
    {
      text: `${arrivals.length - arrived} arrived a second time (they were under way at the kill; delivery is at least once)`,
      kept: true,
    },
  ]
}

export function lineOf({ text, kept }: Promised): string {
  return `  ${kept ? '✓' : '✗'} ${text}`
}

function inSeconds(ms: number | null): string {
  return ms === null ? 'unknown' : `${(ms / 1_000).toFixed(2)} s`
}
