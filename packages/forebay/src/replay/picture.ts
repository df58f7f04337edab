/** The pattern's picture as numbers: input rate, what waits, and output rate over time. Pure. */

export interface PictureSource {
  /** When requests were due at the producer, milliseconds since the start. */
  readonly inMs: ArrayLike<number>
  /** When they came out at the other side. */
  readonly outMs: ArrayLike<number>
  /** When they ceased to wait, whether they came out or not. Default: `outMs`. */
  readonly leftMs?: ArrayLike<number>
}

export interface Picture {
  /** The time that one column covers. */
  readonly columnMs: number
  /** Per second, mean over the column. */
  readonly input: readonly number[]
  /** The most that waited in the column's time. */
  readonly depth: readonly number[]
  /** Per second, mean over the column. */
  readonly output: readonly number[]
}

/** @param durationMs What the columns cover together. */
export function pictureOf(source: PictureSource, durationMs: number, columns: number): Picture {
  const columnMs = Math.max(1, durationMs) / columns
  const perSecond = (count: number) => (count * 1_000) / columnMs
  return {
    columnMs,
    input: countsIn(source.inMs, columnMs, columns).map(perSecond),
    depth: depthsOf(source, columnMs, columns),
    output: countsIn(source.outMs, columnMs, columns).map(perSecond),
  }
}

function countsIn(timesMs: ArrayLike<number>, columnMs: number, columns: number): number[] {
  const counts = new Array<number>(columns).fill(0)
  for (let index = 0; index < timesMs.length; index++) {
    const column = columnOf(timesMs[index] as number, columnMs, columns)
    counts[column] = (counts[column] as number) + 1
  }
  return counts
}

function depthsOf({ inMs, outMs, leftMs = outMs }: PictureSource, columnMs: number, columns: number): number[] {
  const changes: [atMs: number, change: number][] = []
  for (let index = 0; index < inMs.length; index++) changes.push([inMs[index] as number, 1])
  for (let index = 0; index < leftMs.length; index++) changes.push([leftMs[index] as number, -1])
  changes.sort((a, b) => a[0] - b[0] || b[1] - a[1])
  const depths: number[] = []
  let depth = 0
  let next = 0
  for (let column = 0; column < columns; column++) {
    let most = depth
    for (; next < changes.length; next++) {
      const [atMs, change] = changes[next] as [number, number]
      if (columnOf(atMs, columnMs, columns) > column) break
      depth = Math.max(0, depth + change)
      most = Math.max(most, depth)
    }
    depths.push(most)
  }
  return depths
}

function columnOf(atMs: number, columnMs: number, columns: number): number {
  return Math.min(columns - 1, Math.max(0, Math.floor(atMs / columnMs)))
}
