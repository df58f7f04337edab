/** One delivery of the stand-in of Cloud Tasks: a POST with its headers and its token, given up at the deadline. */

import { Agent, request } from 'node:http'
import { systemClock } from '../../packages/forebay/src/clock.ts'
import type { FakeTask } from './cloud-tasks-queues.ts'
import type { TokenMint } from './cloud-tasks-tokens.ts'

export interface Outcome {
  /** Undefined if there was no answer in time. */
  readonly status: number | undefined
  readonly retryAfterMs?: number
}

const agent = new Agent({ keepAlive: false })

export function dispatch(task: FakeTask, queue: string, deadlineMs: number, mint: TokenMint): Promise<Outcome> {
  const { url = '', headers = {}, body, oidcToken } = task.task.httpRequest ?? {}
  const authorization = oidcToken && `Bearer ${mint.usual(oidcToken.serviceAccountEmail, oidcToken.audience ?? url)}`
  const sent = {
    ...headers,
    'user-agent': 'Google-Cloud-Tasks',
    'x-cloudtasks-queuename': queue,
    'x-cloudtasks-taskname': task.name.slice(task.name.lastIndexOf('/') + 1),
    'x-cloudtasks-taskretrycount': String(task.dispatches - 1),
    'x-cloudtasks-taskexecutioncount': String(task.responses),
    'x-cloudtasks-tasketa': String(task.dueAt / 1_000),
    ...(task.previous !== undefined && { 'x-cloudtasks-taskpreviousresponse': String(task.previous) }),
    ...(authorization !== undefined && { authorization }),
    'content-length': String(body?.length ?? 0),
  }
  return new Promise((resolve) => {
    const outgoing = request(url, { method: 'POST', headers: sent, agent })
    const end = (outcome: Outcome) => {
      cancel()
      resolve(outcome)
      outgoing.destroy()
    }
    const cancel = systemClock.after(deadlineMs, () => end({ status: undefined }), { background: true })
    outgoing.once('error', () => end({ status: undefined }))
    outgoing.once('response', (incoming) => {
      incoming.resume()
      const seconds = Number(incoming.headers['retry-after'] ?? 0)
      end({ status: incoming.statusCode, retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : 0 })
    })
    outgoing.end(body)
  })
}
