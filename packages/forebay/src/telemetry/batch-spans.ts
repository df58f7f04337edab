/**
 * The consumer's span of a batch: kind `consumer`, named `process <queue>`, one for all its tasks since they are one call of the
 * handler. It links to every context that they brought, as far as a span has room for links. For single tasks:
 * consumer/middleware/tracing.ts.
 */

import {
  context as contexts,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import { withAbortGrace } from '../consumer/abort-grace.ts'
import type { Batch } from '../consumer/handler.ts'
import type { MiddlewareScope } from '../consumer/middleware/compose.ts'
import { tellThrown } from '../consumer/middleware/told.ts'
import { spanContextOf } from '../consumer/middleware/trace-context.ts'
import type { TaskTypes } from '../queue/task-types.ts'
import type { Task } from '../task.ts'

/** What OpenTelemetry's SDKs keep of a span by default. */
const MOST_LINKS = 128

export function withBatchSpans<Types extends TaskTypes>(
  { handle, ...batch }: Batch<Types>,
  { queue, clock }: MiddlewareScope,
  tracer: Tracer,
): Batch<Types> {
  return {
    ...batch,
    async handle(tasks, context) {
      const span = tracer.startSpan(`process ${queue}`, spanOptions(queue, tasks), ROOT_CONTEXT)
      const work = async () => contexts.with(trace.setSpan(ROOT_CONTEXT, span), () => handle(tasks, context))
      try {
        return await withAbortGrace(clock, context.signal, work)
      } catch (thrown) {
        markFailed(span, thrown)
        throw thrown
      } finally {
        span.end()
      }
    },
  }
}

function spanOptions(queue: string, tasks: readonly Task[]) {
  return {
    kind: SpanKind.CONSUMER,
    root: true,
    links: linksOf(tasks),
    attributes: {
      'messaging.system': 'forebay',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': queue,
      'messaging.batch.message_count': tasks.length,
    },
  }
}

/** Tasks of one call of their producer brought the same context. */
function linksOf(tasks: readonly Task[]): Link[] {
  const links = new Map<string, Link>()
  for (const { headers } of tasks) {
    const context = spanContextOf(headers)
    if (context && links.size < MOST_LINKS) links.set(context.spanId, { context })
  }
  return [...links.values()]
}

function markFailed(span: Span, thrown: unknown): void {
  const { errorType = 'Error', reason } = tellThrown(thrown)
  span.setAttribute('error.type', errorType)
  span.setStatus({ code: SpanStatusCode.ERROR, ...(reason !== undefined && { message: reason }) })
}
