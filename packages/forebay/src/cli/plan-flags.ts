/** The flags of `forebay plan`, read and checked one by one. */

import type { Objective } from '../planner/objective.ts'
import type { ServiceTime } from '../planner/service-time.ts'

export interface PlanFlags {
  readonly serviceTime: ServiceTime
  readonly slo: Objective
  readonly speed: number
  readonly workerConcurrency: number
  readonly workerCost?: number
  readonly maxRate?: number
  readonly maxConcurrency?: number
  /** Milliseconds. */
  readonly pickup: number
  readonly svg?: string
  readonly json?: true
}
