/**
 * One OpenTelemetry span for each attempt, by the semantic conventions for messaging
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/): kind `consumer`, named `process <queue>`.
 *
 * The span begins a trace of its own and *links* to the context that the task brought (`traceHeaders()` at the enqueue). A
 * queued task may run hours later and several times; as a child it would stretch the trace of its producer over all that.
 * What the handler does is traced below the span. Attributes and status never hold the payload or the result.
 *
 * `createTelemetry()` puts it round the handlers of its queues by itself, with a producer's span to link to.
 *
 * Without an SDK that is registered nothing is recorded and it costs next to nothing.
 */

import { context as contexts, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import type { Task } from '../../task.ts'
import { withAbortGrace } from '../abort-grace.ts'
import type { AnyMiddleware } from './compose.ts'
import { tellReturned, tellThrown, type Told } from './told.ts'
import { spanContextOf } from './trace-context.ts'

export interface TracingOptions {
  /** Default: the tracer `forebay` of the provider that is registered globally, now or later. */
  readonly tracer?: Tracer
}

export function tracing(options: TracingOptions = {}): AnyMiddleware {
  const tracer = options.tracer ?? trace.getTracer('forebay')
  return (next, { queue, clock }) =>
    async (task, context) => {
      // A root: whatever span was active when the consumer was started must not become the parent of all its tasks.
      const span = tracer.startSpan(`process ${queue}`, spanOptions(queue, task, context.attempt), ROOT_CONTEXT)
      const end = ({ outcome, errorType, reason, delayMs }: Told) => {
        span.setAttribute('forebay.outcome', outcome)
        if (delayMs !== undefined) span.setAttribute('forebay.delay_ms', delayMs)
        if (errorType !== undefined) {
          span.setAttribute('error.type', errorType)
          span.setStatus({ code: SpanStatusCode.ERROR, ...(reason !== undefined && { message: reason }) })
        }
        span.end()
      }
      try {
        // A handler that never ends has its span end when its slot is taken back: those are the ones to see.
        const returned = await withAbortGrace(clock, context.signal, async () =>
          contexts.with(trace.setSpan(ROOT_CONTEXT, span), () => next(task, context)),
        )
        end(tellReturned(returned))
        return returned
      } catch (thrown) {
        end(tellThrown(thrown))
        throw thrown
      }
    }
}

function spanOptions(queue: string, { id, type, headers }: Task, attempt: number) {
  const producer = spanContextOf(headers)
  return {
    kind: SpanKind.CONSUMER,
    root: true,
    ...(producer && { links: [{ context: producer }] }),
    attributes: {
      'messaging.system': 'forebay',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': queue,
      'messaging.message.id': id,
      'forebay.task.type': type,
      'forebay.task.attempt': attempt,
    },
  }
}
