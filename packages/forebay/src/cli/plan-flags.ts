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
  /** An access log, or `prometheus` and its URL. */
  readonly from?: readonly string[]
  readonly query?: string
  /** Milliseconds. */
  readonly since: number
  readonly step: number
  readonly save?: string
  readonly json?: true
}
