/** The answer to a claim as grants. */

import type { Claim, StoredTask } from '../queue-service.ts'
import { FIELD_END, fromStored } from './stored-text.ts'
import { storedTask } from './task-rows.ts'
import { tokenOf } from './token.ts'

/** The last one has no task: its payload is what is to be said of all. */
export type ClaimRow = [task: string | null, payload: string]

type OfAll = [grants: string, dueIn: string, low: string, last: string, seen: string, took: string]

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
  const [, ofAll] = rows.at(-1) as ClaimRow
  const [grants, dueIn, low, last, seen, took] = ofAll.split(FIELD_END) as OfAll
  const tokens = tokensOf(grants)
  const claims = new Array<Claim>(tokens.length)
  for (const [task, payload] of rows) if (task !== null) putClaim(claims, task, payload, tokens)
  return {
    claims,
    lastRank: numberOf(last),
    dueInMs: numberOf(dueIn),
    low: numberOf(low),
    seen: Number(seen),
    tookMs: Number(took),
  }
}

function numberOf(text: string): number | undefined {
  return text === '' ? undefined : Number(text)
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

type CommonToAll = Pick<StoredTask, 'id' | 'type' | 'payload' | 'createdAt' | 'attempts'>

function putClaim(claims: Claim[], text: string, payload: string, tokens: readonly string[]): void {
  const [place, waited, expired, attempts, createdAt, stored, type, more] = text.split(FIELD_END) as Fields
  const id = fromStored(stored)
  const common = { id, type, payload, createdAt: Number(createdAt), attempts: Number(attempts) }
  const at = Number(place)
  claims[at] = {
    id,
    token: tokens[at] as string,
    task:
      more === ''
        ? { ...common, type: fromStored(type), priority: 0, cost: 1, headers: {}, failures: [] }
        : unusualTask(common, more),
    // The server's clock may have been set back.
    waitedMs: Math.max(0, Number(waited)),
    expired: expired === 't',
  }
}

/** @param more What `UNUSUAL` of sql/claim.ts answers. */
function unusualTask(common: CommonToAll, more: string): StoredTask {
  const [key, headers, failures, priority, ttl, cost, ordered] = JSON.parse(more) as Unusual
  const { attempts, createdAt, type, payload } = common
  return storedTask(common.id, [
    attempts,
    failures,
    createdAt,
    priority,
    cost,
    ordered,
    ttl,
    type,
    key,
    headers,
    payload,
  ])
}
