/** What a scaling policy is told, what it sees, and what it answers. Units: ms, tasks, workers. */

import { ForebayError } from '../errors.ts'

export interface ScalingOptions {
  /** The longest wait that is still in time, ms. */
  readonly waitMs: number
  /** The share of tasks that may wait longer: 0.01 for a p99. Default 0.01. */
  readonly lateShare?: number
  /** From asking for a worker until it takes tasks, ms. Default: as it is measured; until then, and where it can't be, 5,000. */
  readonly startUpMs?: number
  /** Time between decisions, ms. Default 15,000. */
  readonly controlMs?: number
  /** Tasks that one worker runs at once. Default 1. */
  readonly slots?: number
  /** Never fewer workers. Default 0. */
  readonly min?: number
  /** Never more workers. Default 100. */
  readonly max?: number
  /** Expected until it is measured, ms. */
  readonly serviceMs?: number
}

export interface ScalingObservation {
  /** Monotonic, ms. */
  readonly atMs: number
  /** Tasks that came since the decision before; undefined: not known, as at the first look. */
  readonly arrived: number | undefined
  /** Tasks that wait. */
  readonly backlog: number
  /** How long the oldest of them has waited, ms. */
  readonly oldestAgeMs: number
  /** Workers that take tasks; undefined: not seen, so it is taken that what was asked for is there after its start-up. */
  readonly ready?: number | undefined
  /** Workers asked for that do not take tasks yet. */
  readonly starting?: number | undefined
  /** From asking for a worker until it takes tasks, ms, as it was measured; undefined: not yet. It counts where no other was told. */
  readonly startUpMs?: number | undefined
  /** Mean service time of a task, ms; undefined: none was measured. */
  readonly serviceMs?: number | undefined
  /** Its standard deviation, ms. Default 0. */
  readonly serviceDeviationMs?: number | undefined
  /** What the downstream can take, starts per second; undefined or Infinity: nothing is known to bound it. */
  readonly capacityPerSecond?: number | undefined
}

export type ScalingBound = 'objective' | 'capacity' | 'max' | 'min'

export interface ScalingDecision {
  readonly atMs: number
  readonly desired: number
  readonly before: number
  readonly change: 'up' | 'down' | 'hold'
  /** What decided: the wait, the downstream's capacity, or one of the two bounds. */
  readonly boundBy: ScalingBound
  /** Why, in a sentence. */
  readonly reason: string
  /** More than this the downstream cannot use; Infinity: not known. */
  readonly useful: number
  /** Measured, over about the last hour. */
  readonly lateShare: number
  readonly arrivalsPerSecond: number
}

export type WholeScalingOptions = Required<Omit<ScalingOptions, 'serviceMs'>>

/** @throws ForebayError `INVALID_OPTION` naming the option. */
export function wholeScalingOptions(given: ScalingOptions): WholeScalingOptions {
  const options = { lateShare: 0.01, startUpMs: 5_000, controlMs: 15_000, slots: 1, min: 0, max: 100, ...given }
  const refuse = (name: string, rule: string, value: unknown) => {
    throw new ForebayError('INVALID_OPTION', `${name}: must be ${rule}, and is ${value}.`, { path: name })
  }
  for (const name of ['waitMs', 'controlMs', 'slots', 'serviceMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0 && value < Number.POSITIVE_INFINITY)) refuse(name, 'above 0', value)
  }
  const { lateShare, startUpMs, min, max } = options
  if (!(lateShare > 0 && lateShare < 1)) refuse('lateShare', 'between 0 and 1', lateShare)
  if (!(startUpMs >= 0 && startUpMs < Number.POSITIVE_INFINITY)) refuse('startUpMs', 'at least 0', startUpMs)
  if (!(Number.isSafeInteger(min) && min >= 0)) refuse('min', 'a whole number of at least 0', min)
  if (!(Number.isSafeInteger(max) && max >= Math.max(1, min)))
    refuse('max', `a whole number of at least ${Math.max(1, min)}`, max)
  return options
}
