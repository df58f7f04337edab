/** Settlements and extensions as calls of the functions, and their answers as results. */

import type { DeadReason, FailedAttempt, TaskId } from '../../task.ts'
import type { ClaimRef, ExtendResult, KeptResult, Settlement, SettleResult } from '../queue-service.ts'
import { float8Array, int2Array, int8Array, textArray, unlessEmpty } from './array-params.ts'
import { toStored } from './stored-text.ts'
import { grantsOf, readToken } from './token.ts'

const OUTCOME = { complete: 0, expire: 1, retry: 2, release: 3, dead: 4 } as const

/** A claim that the server is asked about: its place in the batch, and its token. */
export interface Asked {
  readonly index: number
  readonly id: TaskId
  readonly token: bigint
}

/** Of a batch, those whose tokens can be good, none twice. */
export function askable(claims: readonly ClaimRef[]): Asked[] {
  const seen = new Set<string>()
  const asked: Asked[] = []
  for (const [index, { id, token: text }] of claims.entries()) {
    const token = readToken(text)
    const name = `${text} ${id}`
    if (token === undefined || seen.has(name)) continue
    seen.add(name)
    asked.push({ index, id, token })
  }
  return asked
}

/** The first three parameters after the queue's number. */
export function refParameters(asked: readonly Asked[]): [grants: Buffer, ids: Buffer, tokens: Buffer] {
  const tokens = asked.map(({ token }) => token)
  return [int8Array(grantsOf(tokens)), textArray(asked.map(({ id }) => toStored(id))), int8Array(tokens)]
}

export function settleParameters(asked: readonly Asked[], batch: readonly Settlement[]): unknown[] {
  const settlements = asked.map(({ index }) => batch[index] as Settlement)
  const outcomes = settlements.map(({ outcome }) => OUTCOME[outcome])
  const isPlain = outcomes.every((outcome) => outcome === OUTCOME.complete)
  const details = settlements.map(detailsOf)
  const texts = (of: (one: Details) => string | undefined) => unlessEmpty(details.map(of), textArray)
  const numbers = (of: (one: Details) => number | undefined) => unlessEmpty(details.map(of), float8Array)
  return [
    ...refParameters(asked),
    isPlain ? undefined : int2Array(outcomes),
    numbers(({ delayMs }) => delayMs),
    texts(({ failure }) => failure && JSON.stringify(failure)),
    texts(({ reason }) => reason),
    texts(({ keep }) => keep?.result),
    numbers(({ keep }) => keep?.keepMs),
  ]
}

interface Details {
  readonly delayMs?: number
  readonly failure?: FailedAttempt | undefined
  readonly reason?: DeadReason
  readonly keep?: KeptResult | undefined
}

/** What belongs to its outcome. */
function detailsOf(settlement: Settlement): Details {
  switch (settlement.outcome) {
    case 'complete':
      return { keep: settlement.keep }
    case 'retry':
      return { delayMs: Math.max(0, settlement.delayMs), failure: settlement.failure }
    case 'release':
      return { delayMs: Math.max(0, settlement.delayMs) }
    case 'dead':
      return { reason: settlement.reason, failure: settlement.failure }
    case 'expire':
      return {}
  }
}

export type SettleRow = [held: string[] | null, woken: boolean, low: number | null]

/** @param held Places in the asked ones, from 1; null: all. */
export function settleResults(count: number, asked: readonly Asked[], held: readonly string[] | null): SettleResult[] {
  const results = new Array<SettleResult>(count).fill({ status: 'stale' })
  for (const { index } of heldOf(asked, held)) results[index] = { status: 'settled' }
  return results
}

/** @param held Places in the asked ones, from 1; null: none. */
export function extendResults(count: number, asked: readonly Asked[], held: readonly string[] | null): ExtendResult[] {
  const results = new Array<ExtendResult>(count).fill({ status: 'stale' })
  for (const { index, token } of heldOf(asked, held ?? []))
    results[index] = { status: 'extended', token: String(token) }
  return results
}

function heldOf(asked: readonly Asked[], held: readonly string[] | null): readonly Asked[] {
  return held === null ? asked : held.map((place) => asked[Number(place) - 1] as Asked)
}
