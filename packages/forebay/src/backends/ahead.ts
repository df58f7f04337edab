/** How many ready tasks are to be granted before one that might come now, from what an engine says of the lines. */

import { expectedPlace, type FairLine, grantsBefore } from '../flow/fair-order.ts'

export interface LineAhead extends FairLine {
  readonly isOpen: boolean
  /** What its tasks usually cost. */
  readonly cost: number
  readonly ready: number
}

export interface SaidOfNewcomer {
  /** How many ready tasks of its own line go before it. */
  readonly within: number
  /** The virtual time. */
  readonly virtual: number
  /** Its line as it is, or as it would be. */
  readonly own: LineAhead
  /** Other open lines with a score up to its own. */
  readonly others: readonly LineAhead[]
  /** How many such there are, if not all were looked at. */
  readonly all: number
}

export function aheadOf({ within, virtual, own, others, all }: SaidOfNewcomer, priority: number): number {
  const time = { virtual, greatest: 0, openLines: 0, openWeight: 0, entries: 0 }
  const place = expectedPlace(time, own, own.isOpen, { priority, within })
  const grants = others.map((other) => grantsBefore(place, other))
  const sum = grants.reduce((total, number) => total + number, 0)
  // Very many lines are not all looked at: what the rest sends ahead is taken to be alike.
  return within + Math.round(grants.length > 0 && all > grants.length ? (sum * all) / grants.length : sum)
}
