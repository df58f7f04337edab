/**
 * The port of what all consumers of a queue keep together, in however many processes: one rate, one limit on concurrency.
 *
 * The engine keeps named cells, each a text, and applies pure steps (flow/shared-steps.ts) to them, one after another, by
 * its own clock. It knows nothing of what a step means: it reads the cell, calls `applyStep`, and stores the cell if it is
 * still what it read; else it does so again. A cell needs to survive no crash of the engine: whoever uses it can live with a
 * fresh one, which begins carefully.
 */

import type { Step, StepResult } from '../flow/shared-steps.ts'

export interface Applied<S extends Step> {
  readonly result: StepResult<S>
  /** When it was applied, ms by the engine's clock: outside of it only differences mean anything. */
  readonly now: number
  /** The engine's time less the caller's monotonic time, where the engine knows it; else it is guessed from the round trip. */
  readonly ahead?: number
}

export interface SharedState {
  /** Applies a step to a cell of this queue, atomically. */
  apply<S extends Step>(cell: string, step: S): Promise<Applied<S>>
}
