/** Tasks as messages of SQS. */

import { createHash } from 'node:crypto'
import { type Letter, textOf } from '../task-letter.ts'
import type { Outgoing } from './sqs-queue.ts'

/** A message may be delayed so long when it is sent. */
const LONGEST_DELAY_S = 900

/** Whole seconds, rounded up: never before its time. */
export function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000)
}

export interface Manner {
  readonly fifo: boolean
  /** Whether a standard queue is told whose task it is, so that SQS lets none of them fill it ("fair queues", billed extra). */
  readonly fair: boolean
  readonly delayMs: number
  /** Makes a copy different from what it is a copy of. */
  readonly stamp?: string
}

/** A letter, ready to be sent; what is longer than SQS delays is written into it and seen to when it arrives. */
export function outgoing(letter: Letter, { fifo, fair, delayMs, stamp }: Manner): Outgoing {
  const delaySeconds = fifo ? 0 : Math.min(LONGEST_DELAY_S, secondsOf(delayMs))
  const leftMs = Math.max(0, delayMs - delaySeconds * 1_000)
  const { leftMs: _, ...record } = letter.record
  const body = textOf({ record: { ...record, ...(leftMs > 0 && { leftMs }) }, payload: letter.payload })
  const { id, key, ordered } = record
  const name = stamp === undefined ? id : `${id} ${stamp}`
  if (fifo) return { body, group: nameOf(ordered && key !== undefined ? `key ${key}` : name), dedupId: nameOf(name) }
  return { body, ...(delaySeconds > 0 && { delaySeconds }), ...(fair && key !== undefined && { group: nameOf(key) }) }
}

/** As SQS takes names of groups and of what is sent twice: what it does not take as it is becomes a hash of it. */
function nameOf(text: string): string {
  return /^[!-~]{1,128}$/.test(text) ? text : createHash('sha256').update(text).digest('hex')
}
