/**
 * The backlog over time, from observables only: how many accepted requests were due and had not yet arrived at the
 * downstream. It knows nothing of what a queue or a consumer believes.
 */

export interface BacklogStep {
  readonly atMs: number
  /** From `atMs` on. */
  readonly depth: number
  /** Whether the step is an arrival at the downstream, or else a request that fell due. */
  readonly arrival: boolean
}

/**
 * @param dueMs When each request was due, by index.
 * @param accepted The indices that the door accepted.
 * @param first When each request first arrived at the downstream, by index.
 */
export function backlogOf(
  dueMs: ArrayLike<number>,
  accepted: readonly number[],
  first: ReadonlyMap<number, number>,
): BacklogStep[] {
  const changes: { atMs: number; change: 1 | -1 }[] = []
  for (const index of accepted) {
    const due = dueMs[index] as number
    const arrived = first.get(index)
    changes.push({ atMs: due, change: 1 })
    if (arrived !== undefined) changes.push({ atMs: Math.max(due, arrived), change: -1 })
  }
  // At one instant, first what falls due: the depth never goes below nothing.
  changes.sort((a, b) => a.atMs - b.atMs || b.change - a.change)
  let depth = 0
  return changes.map(({ atMs, change }) => {
    depth += change
    return { atMs, depth, arrival: change < 0 }
  })
}

/**
 * Arrivals per second while a backlog stands: (first arrivals in those stretches) / (length of those stretches).
 *
 * A backlog stands from the moment at which the depth reaches a tenth of a second's worth of work at the rate (and at least
 * 2) until the arrival that brings it below; that arrival counts. Stretches shorter than a second are left out: there, one
 * arrival more or less would be the whole result.
 *
 * @returns undefined if no such stretch was seen.
 */
export function outputWhileBacklogged(steps: readonly BacklogStep[], rate: number | undefined): number | undefined {
  const threshold = Math.max(2, Math.ceil((rate ?? 0) / 10))
  let stretchMs = 0
  let arrivals = 0
  let since: number | undefined
  let arrivedSince = 0
  const end = (atMs: number) => {
    if (since !== undefined && atMs - since >= 1_000) {
      stretchMs += atMs - since
      arrivals += arrivedSince
    }
    since = undefined
    arrivedSince = 0
  }
  for (const { atMs, depth, arrival } of steps) {
    if (since !== undefined && arrival) arrivedSince += 1
    if (depth >= threshold) since ??= atMs
    else end(atMs)
  }
  // What never arrived keeps its backlog standing until the last thing that was seen.
  const last = steps.at(-1)
  if (last) end(last.atMs)
  return stretchMs > 0 ? (arrivals * 1_000) / stretchMs : undefined
}
