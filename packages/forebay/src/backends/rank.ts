/** The order of ready tasks, for backends that order by a number: lower goes first, ties in the order of their push. */

/** One step of priority is worth this much waiting: so a waiting task overtakes newer, more urgent ones in the end. */
export const AGEING_STEP_MS = 60_000

/** @param pushedAt When the task was pushed, by a time that never goes back, milliseconds. */
export function rankOf(pushedAt: number, priority: number): number {
  return pushedAt - priority * AGEING_STEP_MS
}
