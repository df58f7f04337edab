/** Settlements and extensions as calls of the functions, and their answers as results. */

import type { DeadReason, FailedAttempt, TaskId } from '../../task.ts'
import type { ClaimRef, ExtendResult, KeptResult, Settlement, SettleResult } from '../queue-service.ts'
import { float8Array, int2Array, int4Array, int8Array, textArray, unlessEmpty } from './array-params.ts'
import { toStored } from './stored-text.ts'
import { GRANT_SIZE, readToken, type Token } from './token.ts'

const OUTCOME = { complete: 0, expire: 1, retry: 2, release: 3, dead: 4 } as const

/** The claims of a batch that the server is asked about, grant by grant, and of each grant in the order of their places in it. */
export interface Asked {
  /** Their places in the batch. */
  readonly indexes: readonly number[]
  readonly ids: readonly TaskId[]
  readonly grants: readonly bigint[]
  /** Of each grant, a bit for each of its tasks that is asked about. */
  readonly masks: readonly bigint[]
  /** How many bits each mask has. */
  readonly counts: readonly number[]
}

/** Claims of one grant, no two of one place: there stands their place in the batch. */
interface Group {
  readonly grant: string
  readonly indexes: (number | undefined)[]
}

/** Of a batch, those whose tokens can be good, none twice. */
export function askable(claims: readonly ClaimRef[]): Asked {
  const groups = new Map<string, Group[]>()
  for (const [index, { id, token }] of claims.entries()) {
    const read = readToken(token)
    if (read) join(groups, read, index, (other) => claims[other]?.id === id)
  }
  return askedOf([...groups.values()].flat(), claims)
}

/** Where another task's id stands beside the same token, both are asked about, in two groups. */
function join(
  groups: Map<string, Group[]>,
  { grant, place }: Token,
  index: number,
  isSame: (other: number) => boolean,
): void {
  const alike = groups.get(grant) ?? []
  if (alike.length === 0) groups.set(grant, alike)
  for (const { indexes } of alike) {
    const other = indexes[place]
    if (other === undefined) {
      indexes[place] = index
      return
    }
    if (isSame(other)) return
  }
  const indexes = new Array<number | undefined>(GRANT_SIZE).fill(undefined)
  indexes[place] = index
  alike.push({ grant, indexes })
}

function askedOf(groups: readonly Group[], claims: readonly ClaimRef[]): Asked {
  const indexes: number[] = []
  const masks: bigint[] = []
  const counts: number[] = []
  for (const group of groups) {
    // Halves, as numbers: a bigint for each bit would cost more than all else.
    const halves = [0, 0]
    const before = indexes.length
    for (let place = 0; place < GRANT_SIZE; place++) {
      const index = group.indexes[place]
      if (index === undefined) continue
      indexes.push(index)
      const half = place >> 5
      halves[half] = (halves[half] as number) | (1 << (place & 31))
    }
    const [low, high] = halves as [number, number]
    masks.push((BigInt(high) << 32n) | BigInt(low >>> 0))
    counts.push(indexes.length - before)
  }
  return {
    indexes,
    ids: indexes.map((index) => (claims[index] as ClaimRef).id),
    grants: groups.map(({ grant }) => BigInt(grant)),
    masks,
    counts,
  }
}

/** The first three parameters after the queue's number. */
export function refParameters({ grants, masks, ids }: Asked): [grants: Buffer, masks: Buffer, ids: Buffer] {
  return [int8Array(grants), int8Array(masks), textArray(ids.map(toStored))]
}

/** The function for a batch, and its parameters after the queue's number. */
export function settleCall(asked: Asked, batch: readonly Settlement[]): [name: string, parameters: unknown[]] {
  const settlements = asked.indexes.map((index) => batch[index] as Settlement)
  if (settlements.every((one) => one.outcome === 'complete' && one.keep === undefined)) {
    const [grants, masks, ids] = refParameters(asked)
    return ['complete', [grants, masks, int4Array(asked.counts), ids]]
  }
  return ['settle', settleParameters(asked, settlements)]
}

function settleParameters(asked: Asked, settlements: readonly Settlement[]): unknown[] {
  const outcomes = settlements.map(({ outcome }) => OUTCOME[outcome])
  const details = settlements.map(detailsOf)
  const texts = (of: (one: Details) => string | undefined) => unlessEmpty(details.map(of), textArray)
  const numbers = (of: (one: Details) => number | undefined) => unlessEmpty(details.map(of), float8Array)
  return [
    ...refParameters(asked),
    int2Array(outcomes),
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

const STALE = { status: 'stale' } as const
const SETTLED = { status: 'settled' } as const

export type SettleRow = [held: string[] | null, woken: boolean, low: number | null]

/** @param held Places among the asked ones, from 1; null: all. */
export function settleResults(count: number, asked: Asked, held: readonly string[] | null): SettleResult[] {
  const results = new Array<SettleResult>(count).fill(STALE)
  for (const index of heldOf(asked, held)) results[index] = SETTLED
  return results
}

/** @param held Places among the asked ones, from 1; null: none. */
export function extendResults(
  claims: readonly ClaimRef[],
  asked: Asked,
  held: readonly string[] | null,
): ExtendResult[] {
  const results = new Array<ExtendResult>(claims.length).fill(STALE)
  for (const index of heldOf(asked, held ?? []))
    results[index] = { status: 'extended', token: (claims[index] as ClaimRef).token }
  return results
}

/** Their places in the batch. */
function heldOf({ indexes }: Asked, held: readonly string[] | null): readonly number[] {
  return held === null ? indexes : held.map((place) => indexes[Number(place) - 1] as number)
}
