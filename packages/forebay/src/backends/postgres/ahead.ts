/** A newcomer's place as a call of the function, and what it answers. */

import type { LineAhead, SaidOfNewcomer } from '../ahead.ts'
import type { Newcomer } from '../queue-service.ts'
import { toStored } from './stored-text.ts'

export type AheadRow = [
  within: number | null,
  virtual: number | null,
  earlier: string | null,
  low: number | null,
  isOpen: boolean,
  finish: number,
  score: number,
  entered: number,
  weight: number,
  cost: number,
  ready: number,
]

export function newcomerParameters({ key, weight, priority }: Newcomer): unknown[] {
  return key === undefined || weight === undefined ? [null, null, priority] : [toStored(key), weight, priority]
}

export function readSaid(rows: readonly AheadRow[]): SaidOfNewcomer {
  const [first, ...others] = rows as [AheadRow, ...AheadRow[]]
  const [within, virtual, earlier] = first
  return {
    within: within ?? 0,
    virtual: virtual ?? 0,
    own: lineOf(first),
    others: others.map(lineOf),
    all: Number(earlier),
  }
}

function lineOf([, , , , isOpen, finish, score, entered, weight, cost, ready]: AheadRow): LineAhead {
  return { isOpen, finish, score, entered, weight, cost, ready }
}
