import type { Clock } from '../clock.ts'

/**
 * Epoch milliseconds, fractional, that do not jump when somebody sets the clock: wall time as it was at the start, plus
 * what has passed since. Two processes of one machine agree within a millisecond, which is the resolution of `now()`.
 */
export function steadyWallTime(clock: Clock): () => number {
  const offset = clock.now() - clock.monotonic()
  return () => offset + clock.monotonic()
}
