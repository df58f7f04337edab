/** Settlements and extensions as calls of the functions, and their answers as results. */

import type { DeadReason, FailedAttempt } from '../../task.ts'
import type { ClaimRef, ExtendResult, KeptResult, Settlement, SettleResult } from '../queue-service.ts'
import { float8Array, int2Array, int8Array, textArray, unlessEmpty } from './array-params.ts'
import { toStored } from './stored-text.ts'

const OUTCOME = { complete: 0, expire: 1, retry: 2, release: 3, dead: 4 } as const

const LARGEST_TOKEN = 2n ** 63n - 1n

/**
 * Which of a batch the server is asked about: those whose tokens can be good, none twice, in the order of their ids, so that two
 * batches never wait for each other's rows.
 */
export function askable(claims: readonly ClaimRef[]): number[] {
  const seen = new Set<string>()
  const indexes: number[] = []
  claims.forEach(({ id, token }, index) => {
    const name = `${token} ${id}`
    if (!/^\d{1,19}$/.test(token) || BigInt(token) > LARGEST_TOKEN || seen.has(name)) return
    seen.add(name)
    indexes.push(index)
  })
  const idOf = (index: number) => (claims[index] as ClaimRef).id
  return indexes.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
}

/** The ids and the tokens of those claims, as the first two parameters after the queue's number. */
export function refParameters(claims: readonly ClaimRef[]): [Buffer, Buffer] {
  return [textArray(claims.map(({ id }) => toStored(id))), int8Array(claims.map(({ token }) => BigInt(token)))]
}

export function settleParameters(settlements: readonly Settlement[]): unknown[] {
  const outcomes = settlements.map(({ outcome }) => OUTCOME[outcome])
  const isPlain = outcomes.every((outcome) => outcome === OUTCOME.complete)
  const details = settlements.map(detailsOf)
  const texts = (of: (one: Details) => string | undefined) => unlessEmpty(details.map(of), textArray)
  const numbers = (of: (one: Details) => number | undefined) => unlessEmpty(details.map(of), float8Array)
  return [
    ...refParameters(settlements.map(({ claim }) => claim)),
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
export function settleResults(count: number, asked: readonly number[], held: readonly string[] | null): SettleResult[] {
  const results = new Array<SettleResult>(count).fill({ status: 'stale' })
  for (const index of heldOf(asked, held)) results[index] = { status: 'settled' }
  return results
}

/** @param held Places in the asked ones, from 1; null: none. */
export function extendResults(
  claims: readonly ClaimRef[],
  asked: readonly number[],
  held: readonly string[] | null,
): ExtendResult[] {
  const results = new Array<ExtendResult>(claims.length).fill({ status: 'stale' })
  for (const index of heldOf(asked, held ?? [])) {
    results[index] = { status: 'extended', token: (claims[index] as ClaimRef).token }
  }
  return results
}

function heldOf(asked: readonly number[], held: readonly string[] | null): readonly number[] {
  return held === null ? asked : held.map((place) => asked[Number(place) - 1] as number)
}
