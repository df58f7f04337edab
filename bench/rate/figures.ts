/** From the recorded starts of one limiter to its figures, and what is promised of each. */

export interface Recording {
  readonly perSecond: number
  /** The recorded starts, ms, ascending; the first one begins the measured time. */
  readonly starts: readonly number[]
  /** When the measured time ended: at a start, which is not counted, or when nothing came any more. */
  readonly endedAt: number
  /** CPU time of the process within the measured time, all its threads, ms. */
  readonly cpuMs: number
}

export interface Figures {
  readonly perSecond: number
  readonly meanPerSecond: number
  readonly meanErrorPercent: number
  readonly mostIn1s: number
  readonly mostIn100ms: number
  readonly mostIn10ms: number
  readonly cpuPercent: number
}

/** What is promised: no more than this. */
export interface Promised {
  readonly meanErrorPercent: number
  readonly mostIn1s: number
  readonly mostIn100ms: number
}

export function promisedAt(perSecond: number): Promised {
  return { meanErrorPercent: 0.5, mostIn1s: 1 + 1.005 * perSecond, mostIn100ms: 1 + 0.1 * 1.15 * perSecond }
}

/** The pacer's share of a core at the highest rate. */
export const PROMISED_PACER_CPU_PERCENT = 10

export function figuresOf({ perSecond, starts, endedAt, cpuMs }: Recording): Figures {
  // From one start up to another: exact for a level flow, and fair to one that comes in windows.
  const elapsedMs = endedAt - (starts[0] ?? endedAt)
  const meanPerSecond = elapsedMs > 0 ? (starts.length * 1_000) / elapsedMs : 0
  return {
    perSecond,
    meanPerSecond,
    meanErrorPercent: (meanPerSecond / perSecond - 1) * 100,
    mostIn1s: mostWithin(starts, 1_000),
    mostIn100ms: mostWithin(starts, 100),
    mostIn10ms: mostWithin(starts, 10),
    cpuPercent: elapsedMs > 0 ? (cpuMs / elapsedMs) * 100 : 0,
  }
}

/** The most starts in any half-open window of so many ms, wherever it begins. */
export function mostWithin(starts: readonly number[], windowMs: number): number {
  let first = 0
  let most = 0
  starts.forEach((start, index) => {
    while ((starts[first] as number) <= start - windowMs) first++
    most = Math.max(most, index - first + 1)
  })
  return most
}
