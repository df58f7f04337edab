/**
 * What all consumers of a queue keep together: cells of text, changed by the pure steps of flow/shared-steps.ts. A step is applied
 * here, to what was read, and stored if the cell still holds that; if another process was quicker, to what it has left.
 */

import { ForebayError } from '../../errors.ts'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import type { Applied } from '../shared-state.ts'
import { READ_CELL_SCRIPT, SET_CELL_SCRIPT } from './scripts/cell-scripts.ts'
import { type RunScript, script } from './script.ts'

/** Each time that a step has to be repeated another one has succeeded, so more than this means a fault. */
const MOST_ATTEMPTS = 100

const READ = script(READ_CELL_SCRIPT)
const SET = script(SET_CELL_SCRIPT)

/** Queue time in microseconds, and what the cell holds. */
type Read = readonly [now: string, content?: string | null]

export async function applyToCell<S extends Step>(run: RunScript, cell: string, step: S): Promise<Applied<S>> {
  let read = (await run(READ, [cell])) as Read
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    const [at, content] = read
    const now = Number(at) / 1_000
    const [next, result] = applyStep(content ?? undefined, step, now)
    const left = (await run(SET, [cell, content ?? '', next])) as Read | readonly []
    if (left.length === 0) return { result, now }
    read = left as Read
  }
  const message = `The shared "${cell}" was changed by others ${MOST_ATTEMPTS} times in a row; nothing was done.`
  throw new ForebayError('BACKEND_UNAVAILABLE', message)
}
