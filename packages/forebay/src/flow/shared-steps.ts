/**
 * What can be done to the state that all consumers of a queue share: pure steps on a cell of text. A backend keeps the cells
 * and applies one step after another (backends/shared-state.ts); what a step means is only known here. Units: ms.
 */

import {
  type HandBackStep,
  type HoldStep,
  handBack,
  hold,
  type Reserved,
  type ReserveStep,
  reserve,
  type SharedFlow,
} from './shared-flow.ts'
import { type Shared, type SharedSlots, type ShareStep, share } from './shared-slots.ts'

export type Step = ReserveStep | HandBackStep | HoldStep | ShareStep

interface Results {
  reserve: Reserved
  handBack: boolean
  hold: true
  share: Shared
}

export type StepResult<S extends Step> = Results[S['kind']]

/**
 * Applies a step to what a cell holds; undefined: nothing yet. Returns what it shall hold from now on, and the answer.
 * @param now By the engine's clock, which may not go back.
 */
export function applyStep<S extends Step>(cell: string | undefined, step: S, now: number): [string, StepResult<S>] {
  const [next, result] = apply(cell === undefined ? undefined : JSON.parse(cell), step, now)
  return [JSON.stringify(next), result as StepResult<S>]
}

function apply(state: unknown, step: Step, now: number): [unknown, unknown] {
  switch (step.kind) {
    case 'reserve':
      return reserve(state as SharedFlow | undefined, step, now)
    case 'handBack':
      return handBack(state as SharedFlow | undefined, step, now)
    case 'hold':
      return hold(state as SharedFlow | undefined, step, now)
    case 'share':
      return share(state as SharedSlots | undefined, step, now)
  }
}
