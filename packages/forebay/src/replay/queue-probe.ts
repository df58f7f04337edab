/** What a replay asks a queue while it drains: how many of its tasks have not ended yet, and how many died. */

import { ForebayError } from '../errors.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { textAt } from './downstream.ts'

export interface QueueState {
  /** Ready, delayed and in flight. */
  readonly waiting: number
  readonly dead: number
  /** Completed since the queue was made, or since its gateway started; undefined where nobody can say. */
  readonly completed: number | undefined
}

/** @throws ForebayError when the queue cannot be asked. */
export type QueueProbe = () => Promise<QueueState>

export function localProbe(queue: LoadLevelingQueue): QueueProbe {
  return async () => {
    const { totals, ...depth } = await queue.depth()
    return stateOf(depth, totals?.completed)
  }
}

/** Asks `GET .../v1/queues/NAME`. */
export function gatewayProbe(url: URL, token?: string): QueueProbe {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return async () => {
    const { depth, totals } = viewOf(await textAt(url, headers))
    if (![depth?.ready, depth?.delayed, depth?.inFlight, depth?.dead].every(Number.isInteger)) {
      throw new ForebayError('TARGET_FAILED', `${url.href} does not answer with the depth of a queue.`)
    }
    return stateOf(depth as DepthCounts, totals?.completed)
  }
}

interface DepthCounts {
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
}

interface QueueView {
  readonly depth?: Partial<DepthCounts>
  readonly totals?: { readonly completed?: number }
}

/** What the answer says; nothing if it is no JSON object. */
function viewOf(text: string): QueueView {
  try {
    return Object(JSON.parse(text)) as QueueView
  } catch {
    return {}
  }
}

function stateOf({ ready, delayed, inFlight, dead }: DepthCounts, completed: number | undefined): QueueState {
  return { waiting: ready + delayed + inFlight, dead, completed }
}
