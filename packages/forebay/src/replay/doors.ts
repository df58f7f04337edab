/** The doors at which a replay can knock: any HTTP target, a queue of a gateway, and a queue in this process. */

import { Pool } from 'undici'
import type { Clock } from '../clock.ts'
import { ForebayError, messageOf } from '../errors.ts'
import { retryAfterMs } from '../consumer/retry-after.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { formatReplayId, REPLAY_HEADER } from './arrival-log.ts'
import type { Answer, Door } from './load.ts'

/** Sockets to one door, at most; further requests wait for one, and their wait counts. */
const SOCKETS = 512

/** A producer obeys no longer a wish than this. */
const LONGEST_RETRY_MS = 3_600_000

export interface OpenDoor {
  readonly knock: Door
  close(): Promise<void>
}

/** Posts each request to `url` as it is: 2xx is accepted, an orderly refusal is refused, all else has failed. */
export function targetDoor(url: URL, run: string, clock: Clock): OpenDoor {
  return httpDoor(url, clock, (index) => {
    const id = formatReplayId({ run, index })
    return { headers: { [REPLAY_HEADER]: id }, body: JSON.stringify({ replay: id }) }
  })
}

/** Posts each request as a task to a gateway's queue; `url` is `.../v1/queues/NAME`. The same index is always the same task. */
export function gatewayDoor(url: URL, run: string, clock: Clock, token?: string): OpenDoor {
  const tasks = new URL(`${url.href.replace(/\/$/, '')}/tasks`)
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return httpDoor(tasks, clock, (index) => ({ headers, body: JSON.stringify(taskOf(run, index)) }))
}

/** Enqueues each request in this process. */
export function queueDoor(queue: LoadLevelingQueue, run: string): OpenDoor {
  const knock: Door = async (index) => {
    try {
      await queue.enqueue(taskOf(run, index))
      return { end: 'accepted' }
    } catch (thrown) {
      if (!(thrown instanceof ForebayError)) return { end: 'failed', why: messageOf(thrown) }
      if (thrown.status !== 429) return { end: 'failed', why: thrown.code }
      return { end: 'refused', retryAfterMs: thrown.retryAfterMs }
    }
  }
  return { knock, close: async () => undefined }
}

/** An id for each request, so that one whose answer was lost can be sent again and makes no second task. */
function taskOf(run: string, index: number) {
  const replay = formatReplayId({ run, index })
  return { id: `replay-${replay}`, type: 'replay', payload: { replay } }
}

interface Message {
  readonly headers: Record<string, string>
  readonly body: string
}

function httpDoor(url: URL, clock: Clock, messageFor: (index: number) => Message): OpenDoor {
  const pool = new Pool(url.origin, { connections: SOCKETS, headersTimeout: 0, bodyTimeout: 0 })
  const path = url.pathname + url.search
  const knock: Door = async (index, signal) => {
    const { headers, body } = messageFor(index)
    try {
      const response = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        signal,
      })
      await response.body.dump()
      return answerOf(response.statusCode, response.headers['retry-after'], clock)
    } catch (thrown) {
      return { end: 'failed', why: codeOf(thrown) }
    }
  }
  return { knock, close: () => pool.destroy() }
}

/** A refusal is orderly if it is a 429, or a 503 that says when to come again; a bare 503 is a failure like any 5xx. */
export function answerOf(status: number, retryAfter: unknown, clock: Clock): Answer {
  if (status >= 200 && status < 300) return { end: 'accepted' }
  const header = typeof retryAfter === 'string' ? retryAfter : undefined
  const retryMs = retryAfterMs(header, clock.now(), LONGEST_RETRY_MS)
  if (status === 429 || (status === 503 && retryMs !== undefined)) return { end: 'refused', retryAfterMs: retryMs }
  return { end: 'failed', why: `status ${status}` }
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : messageOf(thrown)
}
