/** How many ready tasks are to be granted before one that might come now, from what the depth script says of the lines. */

import { expectedPlace, type FairLine, grantsBefore } from '../../flow/fair-order.ts'

interface Line extends FairLine {
  readonly isOpen: boolean
  readonly cost: number
  readonly ready: number
}

/** How many numbers tell a line. */
const FIELDS = 7

/**
 * @param said What the script says of the newcomer.
 * @param hasLine Whether it would stand in a line of its own; then the common one, if it is open, is the first of the others.
 */
export function aheadOf(said: readonly string[], hasLine: boolean, priority: number): number {
  const numbers = said.map(Number)
  const [within = 0, virtual = 0] = numbers
  const own = lineAt(numbers, 2)
  const earlier = numbers[2 + FIELDS] ?? 0
  const others: Line[] = []
  for (let at = 3 + FIELDS; at < numbers.length; at += FIELDS) others.push(lineAt(numbers, at))
  const time = { virtual, greatest: 0, openLines: 0, openWeight: 0, entries: 0 }
  const place = expectedPlace(time, own, own.isOpen, { priority, within })
  const grants = others.map((other) => grantsBefore(place, other))
  return within + Math.round(extrapolated(grants, earlier - (hasLine && own.isOpen ? 1 : 0)))
}

/** Very many lines are not all looked at: what the rest sends ahead is taken to be alike. */
function extrapolated(grants: readonly number[], all: number): number {
  const sum = grants.reduce((total, number) => total + number, 0)
  return grants.length > 0 && all > grants.length ? (sum * all) / grants.length : sum
}

function lineAt(numbers: readonly number[], at: number): Line {
  const [open, finish = 0, score = 0, entered = 0, weight = 1, cost = 1, ready = 0] = numbers.slice(at, at + FIELDS)
  return { isOpen: open === 1, finish, score, entered, weight, cost, ready }
}
