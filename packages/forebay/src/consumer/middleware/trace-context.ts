/**
 * The trace context that travels with a task: W3C Trace Context (https://www.w3.org/TR/trace-context/) in the task's headers.
 *
 *     traceparent: <version>-<32 hex of the trace>-<16 hex of the span>-<2 hex of flags>       tracestate: vendors' own
 *
 * It is read and written here rather than by the propagator that is registered with OpenTelemetry, so that a task that was
 * queued by one process is understood by any other, whatever each of them has registered. A higher version than ours is
 * read as far as we know it, as the standard asks; what is malformed is as if it were not there.
 */

import { createTraceState, isSpanContextValid, type SpanContext, trace } from '@opentelemetry/api'

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** What the standard asks a tracestate to be passed on up to; a longer one is left out. */
const LONGEST_TRACESTATE = 512

/**
 * The active span's context as headers for a task: `enqueue({ ..., headers: traceHeaders() })`. Empty if no span is active.
 * The consumer's `tracing()` links its span to it.
 */
export function traceHeaders(): Record<string, string> {
  const active = trace.getActiveSpan()?.spanContext()
  return active && isSpanContextValid(active) ? headersOf(active) : {}
}

export function headersOf({ traceId, spanId, traceFlags, traceState }: SpanContext): Record<string, string> {
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  const state = traceState?.serialize() ?? ''
  return {
    traceparent: `00-${traceId}-${spanId}-${flags}`,
    ...(state !== '' && state.length <= LONGEST_TRACESTATE && { tracestate: state }),
  }
}

export function spanContextOf(headers: Readonly<Record<string, string>>): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(headers.traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === '00' && more !== undefined) return undefined
  const { tracestate } = headers
  return {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  }
}
