/** docs/metrics.md: every metric, from the registry's own declarations. */

import { LABELS, METRICS, type Label, type Metric } from '../packages/forebay/src/telemetry/metrics.ts'
import { prometheusName } from '../packages/forebay/src/telemetry/prometheus-names.ts'
import { DEFAULT_MAX_SERIES } from '../packages/forebay/src/telemetry/registry.ts'

const metrics = Object.values<Metric>(METRICS)

function row(metric: Metric): string {
  const labels = metric.labels.map((label) => `\`${label}\``).join(', ')
  return `| \`${prometheusName(metric)}\` | \`${metric.name}\` | ${metric.unit.replace(/[{}]/g, '')} | ${labels} | ${metric.help} |`
}

function table(kind: Metric['kind']): string {
  const rows = metrics.filter((metric) => metric.kind === kind).map(row)
  return ['| Prometheus | OpenTelemetry | unit | labels | |', '|---|---|---|---|---|', ...rows].join('\n')
}

function bounds({ buckets }: Metric): string {
  const all = buckets?.bounds ?? []
  return `${span(all[0])} to ${span(all.at(-1))} each ${Math.round((all[1] ?? 1) / (all[0] ?? 1))} times the one before`
}

function span(seconds = 0): string {
  if (seconds < 1) return `${seconds * 1_000} ms`
  return seconds < 60
    ? `${Math.round(seconds)} s`
    : seconds < 3_600
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3_600).toFixed(1)} h`
}

function bucketRows(): string {
  const rows = metrics.flatMap((metric) =>
    metric.kind === 'histogram' ? [`| \`${prometheusName(metric)}\` | ${bounds(metric)} |`] : [],
  )
  return ['| histogram | buckets |', '|---|---|', ...rows].join('\n')
}

const MEANINGS: Readonly<Record<Label, string>> = {
  queue: "the queue's name",
  type: "the task's type",
  outcome: 'how an attempt ended: `completed`, `retried`, `dead`',
  state: 'of tasks, consumers or the breaker',
  operation:
    'what was asked of the backend: `push`, `claim`, `settle`, `extend`, `depth`, `find`, `dead`, `shared`, `ownRate`',
  code: 'a code of [errors.md](errors.md)',
  bound: 'what rules the flow: `paused`, `breaker`, `hold`, `rate`, `quota`, `concurrency`',
  reason: 'why a limit changed, or why a task is dead',
  key: 'a key of tasks; only with `topKeys`',
}

function labelRows(): string {
  const rows = Object.entries(LABELS).map(
    ([label, attribute]) => `| \`${label}\` | \`${attribute}\` | ${MEANINGS[label as Label]} |`,
  )
  return ['| label | attribute | |', '|---|---|---|', ...rows].join('\n')
}

export function metricDocs(): string {
  return `# Metrics and traces

Written by \`npm run docs:metrics\` from the registry's own declarations; a test holds it to them. How it is built:
[design/telemetry.md](design/telemetry.md).

## In a program

\`\`\`ts
import { createTelemetry, LeveledConsumer, LoadLevelingQueue } from 'forebay'

const telemetry = createTelemetry()
const queue = await LoadLevelingQueue.open('sqlite:orders.db', { name: 'orders', telemetry })
const consumer = new LeveledConsumer(queue, handler, { rate: { perSecond: 50 } })

// For a scrape by Prometheus, in whatever serves HTTP:
const { contentType, text } = await telemetry.prometheus(request.headers.accept)
\`\`\`

A queue that is opened with it brings its backend and its consumers along; there is nothing else to wire up. One telemetry takes any number
of queues. \`telemetry.close()\` lets go of the SDK and of the event loop. A whole program:
[examples/telemetry.ts](../examples/telemetry.ts).

**OpenTelemetry.** If an SDK is registered before \`createTelemetry()\` is called (\`node --import ./otel.js\`), it gets the same metrics under
their OpenTelemetry names, and the spans. \`{ meterProvider, tracerProvider }\` names providers of your own, \`false\` none. With spans on, leave
\`use: [tracing()]\` out: the consumer has it already. Without an SDK no span is made.

## At the gateway

\`GET /metrics\` on the gateway's own address, in the Prometheus text format 0.0.4, or as OpenMetrics 1.0 if the scraper prefers that, as
Prometheus does. It asks for a token where the gateway has tokens, since it tells of queues and types:

\`\`\`yaml
scrape_configs:
  - job_name: forebay
    authorization: { credentials: your-token }
    static_configs: [{ targets: ['127.0.0.1:8080'] }]
\`\`\`

\`metrics: false\` in the configuration switches it off; \`metrics: { topKeys: 10 }\` shows the most frequent keys. Several gateways on one storage
see one queue: its depth is the same in each, so take the \`max\` of depths and ages, and the \`sum\` of everything that is counted.

[ops/grafana/forebay.json](../ops/grafana/forebay.json) is a dashboard to import, [ops/prometheus/alerts.yml](../ops/prometheus/alerts.yml)
are alert rules. A test parses them and holds every name in them to the tables below.

## Counters

${table('counter')}

offered = accepted + duplicate + refused, for each queue and type.

## Histograms

${table('histogram')}

Seconds, in exponential buckets, so that a quantile is read from them with the same relative error on every scale:

${bucketRows()}

## Gauges

${table('gauge')}

What is not known is absent, never 0: the depth while the backend does not answer within two seconds, the rate limit where there is none.
Depths are asked for at each scrape, at most once a second. Several consumers of one queue in one process are added up; of rate, bound and
breaker the consumer's that can start the most are shown. How many workers a queue should have ([autoscaling.md](autoscaling.md)) is shown where it has
an objective; \`GET /metrics/scaling\` at the gateway shows that alone, for a scaler that asks often.

## Labels

${labelRows()}

Never an id, a payload, a result or a header. Types are chosen by callers, so there are at most ${DEFAULT_MAX_SERIES.toLocaleString('en')} series in all, as Prometheus counts
them (\`maxSeries\`): what no longer fits is counted under \`other\`, nothing counted gets lost, and \`${prometheusName(METRICS.folded)}\` says so. Gauges
of a queue and its keys have their room from when it is opened.

Keys may tell who your customers are, and are shown only if you ask for them. They are counted by Space-Saving with ten places for each that is
shown: a count is too high by at most N / (10 x \`topKeys\`) of N tasks with keys, and never too low.

## Traces

W3C trace context travels in the task's headers (\`traceparent\`, \`tracestate\`).

| span | kind | where it hangs |
|---|---|---|
| \`send <queue>\` | producer | below the active span, or below the context that the task brought; one for all tasks of a call that bring the same |
| \`process <queue>\` | consumer | a root of its own, with a **link** to the producer's span: one for each attempt |

The gateway takes the \`traceparent\` of a request for the context of its tasks, and the request to the target carries the context of the attempt; where
nobody records spans it carries the caller's. A batch is one span, which links to the producer of each of its tasks.
`
}
