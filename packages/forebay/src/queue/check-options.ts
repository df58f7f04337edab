/** Judges the options of a queue before anything is opened. */

import { ForebayError } from '../errors.ts'
import { checkFair } from './fair-shares.ts'
import type { QueueOptions } from './options.ts'
import { checkOverflow } from './overflow.ts'
import type { TaskTypes } from './task-types.ts'

/** @throws ForebayError INVALID_OPTION. */
export function checkOptions(options: QueueOptions<TaskTypes>): void {
  const { name, maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs, expectedPerSecond, overflow = 'reject' } = options
  if (name !== undefined && !/^[A-Za-z0-9._-]{1,128}$/.test(name)) {
    throw new ForebayError(
      'INVALID_OPTION',
      `"${name}" is no queue name: letters, digits, ".", "_" and "-", at most 128.`,
      { path: 'name' },
    )
  }
  if (expectedPerSecond !== undefined && !(expectedPerSecond > 0)) {
    const message = `expectedPerSecond is a number above 0, not ${expectedPerSecond}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'expectedPerSecond' })
  }
  for (const [path, value] of Object.entries({ maxDepth, maxBytes, maxPayloadBytes, dedupWindowMs }))
    checkWhole(path, value)
  checkFair(options.fair)
  checkOverflow(overflow, { ...(maxDepth !== undefined && { maxDepth }), ...(maxBytes !== undefined && { maxBytes }) })
}

function checkWhole(path: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1)) return
  throw new ForebayError('INVALID_OPTION', `${path} is a whole number of at least 1, not ${value}.`, { path })
}
