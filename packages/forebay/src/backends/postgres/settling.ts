/** Settlements and extensions as calls of the functions, and their answers as results. */

import type { ClaimRef, ExtendResult, Settlement, SettleResult } from '../queue-service.ts'
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
  return [
    ...refParameters(settlements.map(({ claim }) => claim)),
    isPlain ? undefined : int2Array(outcomes),
    unlessEmpty(
      settlements.map((one) => ('delayMs' in one ? Math.max(0, one.delayMs) : undefined)),
      float8Array,
    ),
    unlessEmpty(
      settlements.map((one) => ('failure' in one && one.failure ? JSON.stringify(one.failure) : undefined)),
      textArray,
    ),
    unlessEmpty(
      settlements.map((one) => ('reason' in one ? one.reason : undefined)),
      textArray,
    ),
    unlessEmpty(
      settlements.map((one) => ('keep' in one ? one.keep?.result : undefined)),
      textArray,
    ),
    unlessEmpty(
      settlements.map((one) => ('keep' in one ? one.keep?.keepMs : undefined)),
      float8Array,
    ),
  ]
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
