/** The answer to a claim as grants. */

import type { FailedAttempt } from '../../task.ts'
import type { Claim } from '../queue-service.ts'
import { FIELD_END, fromStored } from './stored-text.ts'
import { tokenOf } from './token.ts'

export type ClaimRow = [
  task: string | null,
  payload: string,
  grants: string | null,
  dueIn: number | null,
  low: number | null,
  last: number | null,
  seen: number,
  took: number,
]

export interface Granted {
  /** In the queue's order. */
  readonly claims: readonly Claim[]
  readonly lastRank: number | undefined
  /** In how many milliseconds the next task falls due; undefined if none does, or if more may be ready. */
  readonly dueInMs: number | undefined
  /** The least rank of what was made ready; undefined if nothing was. */
  readonly low: number | undefined
  /** Until when all that fell due was seen to, by the server's clock. */
  readonly seen: number
  readonly tookMs: number
}

export function grantedOf(rows: readonly ClaimRow[]): Granted {
  const [, , grants, dueIn, low, last, seen, tookMs] = rows.at(-1) as ClaimRow
  const tokens = tokensOf(grants ?? '')
  const claims = new Array<Claim>(tokens.length)
  for (const [task, payload] of rows) if (task !== null) putClaim(claims, task, payload, tokens)
  return {
    claims,
    lastRank: last ?? undefined,
    dueInMs: dueIn ?? undefined,
    low: low ?? undefined,
    seen,
    tookMs,
  }
}

/** @param grants ` NUMBER SIZE NUMBER SIZE ...` */
function tokensOf(grants: string): string[] {
  const words = grants.split(' ')
  const tokens: string[] = []
  for (let at = 1; at < words.length; at += 2) {
    const size = Number(words[at + 1])
    for (let place = 0; place < size; place++) tokens.push(tokenOf(words[at] as string, place))
  }
  return tokens
}

type Fields = [
  place: string,
  waited: string,
  expired: string,
  attempts: string,
  createdAt: string,
  id: string,
  type: string,
  unusual: string,
]

type Unusual = [
  key: string | null,
  headers: string | null,
  failures: string[] | null,
  priority: number,
  ttl: number | null,
  cost: number,
  ordered: boolean,
]

const USUAL: Unusual = [null, null, null, 0, null, 1, false]

function putClaim(claims: Claim[], text: string, payload: string, tokens: readonly string[]): void {
  const [place, waited, expired, attempts, createdAt, stored, type, more] = text.split(FIELD_END) as Fields
  const [key, headers, failures, priority, ttl, cost, ordered] = more === '' ? USUAL : (JSON.parse(more) as Unusual)
  const id = fromStored(stored)
  const at = Number(place)
  claims[at] = {
    id,
    token: tokens[at] as string,
    task: {
      id,
      type: fromStored(type),
      payload,
      createdAt: Number(createdAt),
      attempts: Number(attempts),
      priority,
      ...(key === null ? {} : { key: fromStored(key) }),
      cost,
      ...(ordered ? { ordered } : {}),
      ...(ttl === null ? {} : { ttlMs: ttl }),
      headers: headers === null ? {} : (JSON.parse(headers) as Record<string, string>),
      failures: (failures ?? []).map((failure) => JSON.parse(failure) as FailedAttempt),
    },
    // The server's clock may have been set back.
    waitedMs: Math.max(0, Number(waited)),
    expired: expired === 't',
  }
}
