/**
 * A hook for clients that take a `fetch` of one's own and repeat requests by themselves: each answer is reported to the consumer,
 * so that the limit learns from all of them (see `HandlerContext.report`).
 *
 *     429                              refused, with its Retry-After
 *     503 with Retry-After             refused
 *     other 5xx, no answer             failed
 *     everything else                  ok: the downstream answered
 *     the attempt was told to end      nothing, unless its time was over: then it failed
 *
 * An answer counts when its head has come, and takes as long as that took; the answer itself is handed on as it is.
 */

import { type Clock, systemClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { HandlerContext } from './handler.ts'
import { retryAfterMs } from './retry-after.ts'

/** As much of an answer as is looked at. */
export interface ObservedAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
}

export interface ObservedFetchOptions {
  /** A longer `Retry-After` is cut to this, ms. Default 300,000. */
  readonly maxRetryAfterMs?: number
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
}

/**
 * A `fetch` that reports each answer to the attempt of `context`.
 *
 *     new Client({ fetch: observedFetch(fetch, context), maxRetries: 2 })
 *
 * @param fetch `fetch` itself, or anything that is called like it and answers with a status and headers.
 */
export function observedFetch<Args extends readonly unknown[], Answer extends ObservedAnswer>(
  fetch: (...args: Args) => Promise<Answer>,
  context: Pick<HandlerContext, 'report' | 'signal'>,
  { maxRetryAfterMs = 300_000, clock = systemClock }: ObservedFetchOptions = {},
): (...args: Args) => Promise<Answer> {
  return async (...args) => {
    const startedAt = clock.monotonic()
    const since = () => clock.monotonic() - startedAt
    let answer: Answer
    try {
      answer = await fetch(...args)
    } catch (thrown) {
      if (saysSomething(context.signal)) context.report({ result: 'failed', latencyMs: since() })
      throw thrown
    }
    const latencyMs = since()
    const { status } = answer
    const quietMs = retryAfterMs(answer.headers.get('retry-after') ?? undefined, clock.now(), maxRetryAfterMs)
    if (status === 429 || (status === 503 && quietMs !== undefined)) {
      context.report({ result: 'refused', latencyMs, ...(quietMs !== undefined && { retryAfterMs: quietMs }) })
    } else context.report({ result: status >= 500 ? 'failed' : 'ok', latencyMs })
    return answer
  }
}

/** A call that was given up because the consumer stops or its lease was lost tells nothing of the downstream. */
function saysSomething({ aborted, reason }: AbortSignal): boolean {
  return !aborted || (reason instanceof ForebayError && reason.code === 'TASK_TIMEOUT')
}
