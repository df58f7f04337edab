/** Reads what the depth script says of a newcomer and of the lines. */

import type { LineAhead, SaidOfNewcomer } from '../ahead.ts'

/** How many numbers tell a line. */
const FIELDS = 7

/**
 * @param said What the script says of the newcomer.
 * @param hasLine Whether it would stand in a line of its own; then the common one, if it is open, is the first of the others.
 */
export function readSaid(said: readonly string[], hasLine: boolean): SaidOfNewcomer {
  const numbers = said.map(Number)
  const [within = 0, virtual = 0] = numbers
  const own = lineAt(numbers, 2)
  const earlier = numbers[2 + FIELDS] ?? 0
  const others: LineAhead[] = []
  for (let at = 3 + FIELDS; at < numbers.length; at += FIELDS) others.push(lineAt(numbers, at))
  return { within, virtual, own, others, all: earlier - (hasLine && own.isOpen ? 1 : 0) }
}

function lineAt(numbers: readonly number[], at: number): LineAhead {
  const [open, finish = 0, score = 0, entered = 0, weight = 1, cost = 1, ready = 0] = numbers.slice(at, at + FIELDS)
  return { isOpen: open === 1, finish, score, entered, weight, cost, ready }
}
