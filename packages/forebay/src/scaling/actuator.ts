/** What carries out a decision: an in-process limit, a pool of processes. And what it tells of the work that its workers do. */

export interface Actuator {
  /** Workers that take tasks, and those that were asked for and do not yet; undefined: it cannot be seen. */
  workers(): { readonly ready: number; readonly starting: number } | undefined
  work(): WorkSeen
  /** There shall be so many workers. Those that go finish what they have begun. */
  scaleTo(workers: number): void
}

export interface WorkSeen {
  /** Tasks that ended, ever: for engines that do not count them. */
  readonly finished?: number | undefined
  /** Undefined: not measured. */
  readonly serviceMs?: number | undefined
  readonly serviceDeviationMs?: number | undefined
  /** How long a worker takes from when it is asked for until it takes tasks. */
  readonly startUpMs?: number | undefined
  /** What the downstream can take, starts a second, however many workers there are; undefined or Infinity: not known. */
  readonly capacityPerSecond?: number | undefined
}
