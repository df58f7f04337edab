/**
 * A line as an engine keeps it, and what may happen to it: its tasks come, are granted and end, its key's limits close it and
 * open it again. The order among lines is flow/fair-order.ts's, the limits are flow/key-limits.ts's; where lines are kept and
 * how they are found is the engine's.
 *
 *     idle        nothing of it is ready
 *     open        has its turn among the others
 *     waiting     something is ready, and its key's rate lets nothing go before `nextAt`
 *     saturated   something is ready, and as many of its key are in flight as may be
 *     resting     nothing is ready, but it is remembered until `nextAt` for its key's rate
 */

import { closeLine, type FairLine, type FairTime, grantFrom, openLine, placeLine } from '../flow/fair-order.ts'
import { nextAfterChange, nextAfterGrant, opensAt } from '../flow/key-limits.ts'
import type { KeyLimits } from './queue-service.ts'

export const LINE = { idle: 0, open: 1, waiting: 2, saturated: 3, resting: 4 } as const

export interface LineState extends FairLine {
  state: number
  /** How many of its tasks are ready. */
  readonly ready: number
  inFlight: number
  /** By the engine's monotonic time; 0: its rate holds it up no longer. */
  nextAt: number
  /** What its tasks usually cost: of the first one, and then a moving mean over its grants. */
  cost: number
}

/** A grant counts for so much in the usual cost. */
export const COST_GAIN = 1 / 8

/** Books a grant of its first task; `settleLine` is to follow. */
export function grantOf(
  time: FairTime,
  line: LineState,
  task: { readonly cost: number; readonly priority: number },
  limits: KeyLimits,
  now: number,
): void {
  grantFrom(time, line, task.cost, task.priority)
  line.inFlight++
  line.nextAt = nextAfterGrant(line.nextAt, limits, now)
  line.cost += (task.cost - line.cost) * COST_GAIN
}

/**
 * Brings its state up to date after anything about it has changed.
 * @param priority Of its first ready task; of no meaning where none is.
 */
export function settleLine(time: FairTime, line: LineState, priority: number, limits: KeyLimits, now: number): void {
  const before = line.state
  line.state = stateOf(line, limits, now)
  if (line.state !== LINE.open) {
    if (before === LINE.open) closeLine(time, line)
  } else if (before === LINE.open) placeLine(line, priority)
  else openLine(time, line, priority)
}

/** Whether these limits would open a line that is closed, or bring its time nearer. */
export function wouldMatter(line: LineState, limits: KeyLimits, now: number): boolean {
  return nextAfterChange(line.nextAt, limits, now) < line.nextAt || (line.ready > 0 && opensAt(line, limits) <= now)
}

function stateOf(line: LineState, limits: KeyLimits, now: number): number {
  if (line.ready === 0) return line.nextAt > now ? LINE.resting : LINE.idle
  const at = opensAt(line, limits)
  if (at <= now) return LINE.open
  return at === Number.POSITIVE_INFINITY ? LINE.saturated : LINE.waiting
}
