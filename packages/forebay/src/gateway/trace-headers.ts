/**
 * The trace context on its way through the gateway: a caller's `traceparent` becomes a header of its task, and the request to the target
 * carries the context of the attempt's span, or, where nobody records spans, the one that the caller brought.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { headersOf, spanContextOf, traceHeaders } from '../consumer/middleware/trace-context.ts'
import type { HeaderPair } from './headers.ts'

/** What of a request's headers goes into the task's: nothing, if it brings no context that is well-formed. */
export function traceOfRequest({ traceparent, tracestate }: IncomingHttpHeaders): Record<string, string> {
  if (typeof traceparent !== 'string') return {}
  return known({ traceparent, ...(typeof tracestate === 'string' && { tracestate }) })
}

/** What is set on the request to the target. */
export function traceOfAttempt(taskHeaders: Readonly<Record<string, string>>): HeaderPair[] {
  const active = traceHeaders()
  return Object.entries(active.traceparent === undefined ? known(taskHeaders) : active)
}

function known(headers: Readonly<Record<string, string>>): Record<string, string> {
  const context = spanContextOf(headers)
  return context ? headersOf(context) : {}
}
