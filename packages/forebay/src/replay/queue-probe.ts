/** What a replay asks a queue while it drains: how many of its tasks have not ended yet, and how many died. */

import { ForebayError } from '../errors.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { textAt } from './downstream.ts'

export interface QueueState {
  /** Ready, delayed and in flight. */
  readonly waiting: number
  readonly dead: number
  /** Completed since the queue was made; undefined where the backend cannot say. */
  readonly completed: number | undefined
}

/** @throws ForebayError when the queue cannot be asked. */
export type QueueProbe = () => Promise<QueueState>

export function localProbe(queue: LoadLevelingQueue): QueueProbe {
  return async () => stateOf(await queue.depth())
}

/** Asks `GET .../v1/queues/NAME`. */
export function gatewayProbe(url: URL, token?: string): QueueProbe {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return async () => {
    const answer = JSON.parse(await textAt(url, headers)) as { depth?: Partial<DepthCounts> }
    const depth = answer.depth
    if (depth?.ready === undefined || depth.delayed === undefined || depth.inFlight === undefined) {
      throw new ForebayError('TARGET_FAILED', `${url.href} does not answer with the depth of a queue.`)
    }
    return stateOf({ dead: 0, totals: undefined, ...depth } as DepthCounts)
  }
}

interface DepthCounts {
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  readonly totals?: { readonly completed: number } | null | undefined
}

function stateOf({ ready, delayed, inFlight, dead, totals }: DepthCounts): QueueState {
  return { waiting: ready + delayed + inFlight, dead, completed: totals?.completed }
}
