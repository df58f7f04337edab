/**
 * The producer's spans, by the semantic conventions for messaging: kind `producer`, named `send <queue>`.
 *
 *     tasks that bring no context    one span for all of them in a call, below the active span
 *     tasks that bring a context     one span for all that bring the same, below that (`traceparent` in their headers, as from an HTTP caller)
 *
 * The span's context goes into the task's headers, where the consumer's span (consumer/middleware/tracing.ts) links to it. A task whose
 * headers have no room for it goes as it came: a trace is not worth a refusal.
 */

import {
  context as contexts,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import { headersOf, spanContextOf } from '../consumer/middleware/trace-context.ts'
import type { EnqueueResult } from '../queue/load-leveling-queue.ts'
import type { Sending } from '../queue/observer.ts'
import { TASK_BOUNDS, type TaskInput } from '../task.ts'

/** A span, and the places of its tasks in the call. */
interface Sent {
  readonly span: Span
  readonly places: number[]
}

export function sendingSpans(tracer: Tracer, queue: string, inputs: readonly TaskInput[]): Sending {
  const spans = new Map<string, Sent>()
  const spanFor = ({ headers }: TaskInput) => {
    const brought = headers && spanContextOf(headers)
    const name = brought ? `${headers.traceparent} ${headers.tracestate}` : ''
    const known = spans.get(name)
    if (known) return known
    const active = contexts.active()
    const below = brought ? trace.setSpanContext(active, brought) : active
    const sent: Sent = { span: tracer.startSpan(`send ${queue}`, spanOptions(queue), below), places: [] }
    spans.set(name, sent)
    return sent
  }
  const traced = inputs.map((input, place) => {
    // What is no task is refused later, and told why.
    if (!isTask(input)) return input
    const sent = spanFor(input)
    sent.places.push(place)
    return withContext(input, sent.span)
  })
  return { inputs: traced, end: (results) => endAll(spans.values(), results) }
}

function spanOptions(queue: string) {
  return {
    kind: SpanKind.PRODUCER,
    attributes: {
      'messaging.system': 'forebay',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': queue,
    },
  }
}

function isTask(input: unknown): input is TaskInput {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false
  const { headers } = input as { headers?: unknown }
  return headers === undefined || (typeof headers === 'object' && headers !== null && !Array.isArray(headers))
}

function withContext(input: TaskInput, span: Span): TaskInput {
  if (!isSpanContextValid(span.spanContext())) return input
  const { tracestate: _, ...kept } = input.headers ?? {}
  const headers = { ...kept, ...headersOf(span.spanContext()) }
  const fits = Buffer.byteLength(JSON.stringify(headers)) <= TASK_BOUNDS.headersBytes
  return fits ? { ...input, headers } : input
}

function endAll(spans: Iterable<Sent>, results: readonly EnqueueResult[]): void {
  for (const { span, places } of spans) {
    const ended = places.map((place) => results[place] as EnqueueResult)
    if (ended.length === 1 && ended[0] && ended[0].status !== 'refused') {
      span.setAttribute('messaging.message.id', ended[0].id)
    }
    if (ended.length > 1) span.setAttribute('messaging.batch.message_count', ended.length)
    const refused = ended.flatMap((result) => (result.status === 'refused' ? [result.error] : []))
    const [first] = refused
    if (first) {
      span.setAttribute('error.type', first.code)
      span.setAttribute('forebay.refused', refused.length)
      // Some of many that were refused are no failure of the call.
      if (refused.length === ended.length) span.setStatus({ code: SpanStatusCode.ERROR, message: first.message })
    }
    span.end()
  }
}
