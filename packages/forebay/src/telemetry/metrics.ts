/**
 * Every metric that there is, by its OpenTelemetry name, unit and labels. The Prometheus names follow from these (prometheus-names.ts),
 * and docs/metrics.md is written from them. Names are those of the semantic conventions for messaging and for the Node runtime where
 * they have one (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/), else `forebay.*`.
 */

import { type Buckets, exponentialBuckets } from './exponential-buckets.ts'

/** What a series can be told by, and the attribute's name with OpenTelemetry. Never an id of a task. */
export const LABELS = {
  queue: 'messaging.destination.name',
  type: 'forebay.task.type',
  outcome: 'forebay.outcome',
  state: 'forebay.state',
  operation: 'messaging.operation.name',
  code: 'error.type',
  bound: 'forebay.bound',
  reason: 'forebay.reason',
  key: 'forebay.key',
} as const

export type Label = keyof typeof LABELS

export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  /** In UCUM as OpenTelemetry has it: `s`, `By`, `1`, or what is counted in braces. */
  readonly unit: string
  readonly help: string
  readonly labels: readonly Label[]
  /** Of a histogram. */
  readonly buckets?: Buckets
  /** Attributes that the conventions ask for and that are the same for all its series. */
  readonly constant?: Readonly<Record<string, string>>
}

/** 0.1 ms to 26 s: calls of a backend. */
const CALLS = exponentialBuckets(0.0001, 4, 10)
/** 1 ms to 9 min: handlers. */
const HANDLERS = exponentialBuckets(0.001, 2, 20)
/** 1 ms to 2 h 20 min: waiting in a queue. */
const WAITS = exponentialBuckets(0.001, 2, 24)

const SYSTEM = { 'messaging.system': 'forebay' }

const counter = (name: string, unit: string, labels: readonly Label[], help: string, constant?: Metric['constant']) =>
  ({ kind: 'counter', name, unit, labels, help, ...(constant && { constant }) }) satisfies Metric
const gauge = (name: string, unit: string, labels: readonly Label[], help: string) =>
  ({ kind: 'gauge', name, unit, labels, help }) satisfies Metric
const histogram = (
  name: string,
  buckets: Buckets,
  labels: readonly Label[],
  help: string,
  constant?: Metric['constant'],
) => ({ kind: 'histogram', name, unit: 's', labels, help, buckets, ...(constant && { constant }) }) satisfies Metric

const QUEUE = ['queue'] as const
const TASK = ['queue', 'type'] as const

export const METRICS = {
  offered: counter(
    'forebay.tasks.offered',
    '{task}',
    TASK,
    'Tasks that were handed to the queue, whatever became of them.',
  ),
  accepted: counter('forebay.tasks.accepted', '{task}', TASK, 'Tasks that were acknowledged as stored.'),
  duplicate: counter(
    'forebay.tasks.duplicate',
    '{task}',
    TASK,
    'Tasks that were answered with the id of an earlier one.',
  ),
  refused: counter(
    'forebay.tasks.refused',
    '{task}',
    [...TASK, 'code'],
    'Tasks that were not stored, by the code of the error.',
  ),
  dropped: counter('forebay.tasks.dropped', '{task}', QUEUE, 'Queued tasks that gave way to newer ones.'),
  spilled: counter('forebay.tasks.spilled', '{task}', TASK, 'Accepted tasks that did not fit and went to the spill.'),
  started: counter('forebay.tasks.started', '{task}', TASK, 'Attempts that began: permits that were used.'),
  completed: counter('forebay.tasks.completed', '{task}', TASK, 'Attempts that completed their task.'),
  retried: counter('forebay.tasks.retried', '{task}', TASK, 'Attempts that failed and will be repeated.'),
  dead: counter('forebay.tasks.dead', '{task}', [...TASK, 'reason'], 'Tasks that became dead letters.'),
  released: counter(
    'forebay.tasks.released',
    '{task}',
    TASK,
    'Claimed tasks that went back without having used an attempt.',
  ),
  expired: counter('forebay.tasks.expired', '{task}', TASK, 'Tasks whose ttlMs passed before they could start.'),
  leasesLost: counter(
    'forebay.leases.lost',
    '{lease}',
    QUEUE,
    'Leases that ended while their attempt ran, or before its outcome was stored.',
  ),
  sent: counter('messaging.client.sent.messages', '{message}', QUEUE, 'Tasks that were sent to the backend.', {
    ...SYSTEM,
    'messaging.operation.name': 'push',
  }),
  consumed: counter(
    'messaging.client.consumed.messages',
    '{message}',
    QUEUE,
    'Tasks that the backend granted to a consumer.',
    { ...SYSTEM, 'messaging.operation.name': 'claim' },
  ),
  backendErrors: counter(
    'forebay.backend.errors',
    '{error}',
    [...QUEUE, 'operation', 'code'],
    'Calls of the backend that failed.',
  ),
  limitChanges: counter(
    'forebay.limit.changes',
    '{change}',
    [...QUEUE, 'reason'],
    'Changes of a learning concurrency limit, by their reason.',
  ),
  breakerChanges: counter(
    'forebay.breaker.changes',
    '{change}',
    [...QUEUE, 'state'],
    'Changes of the circuit breaker, by the state that it took.',
  ),
  holds: counter('forebay.holds', '{hold}', QUEUE, 'Times that the downstream asked for quiet.'),
  folded: counter(
    'forebay.series.folded',
    '{observation}',
    [],
    'Observations that were counted under `other` because there are too many series.',
  ),

  operationDuration: histogram(
    'messaging.client.operation.duration',
    CALLS,
    [...QUEUE, 'operation'],
    'Calls of the backend. A claim includes its wait for work.',
    SYSTEM,
  ),
  claimDuration: histogram(
    'forebay.claim.duration',
    CALLS,
    QUEUE,
    'Claim latency: how long a task that was ready waited for a claim that was under way.',
  ),
  permitWait: histogram(
    'forebay.permit.wait.duration',
    CALLS,
    QUEUE,
    'How long claimed tasks were held until their permit and a free slot came.',
  ),
  wait: histogram(
    'forebay.task.wait.duration',
    WAITS,
    QUEUE,
    'How long tasks waited from when they were due to their start.',
  ),
  processDuration: histogram(
    'messaging.process.duration',
    HANDLERS,
    [...TASK, 'outcome'],
    'Service time: how long attempts ran.',
    { ...SYSTEM, 'messaging.operation.name': 'process' },
  ),

  depth: gauge(
    'forebay.queue.depth',
    '{task}',
    [...QUEUE, 'state'],
    'Tasks in the queue: ready, delayed, in flight, dead, and in its spill.',
  ),
  oldestAge: gauge('forebay.queue.oldest.age', 's', QUEUE, 'Since the oldest ready task was due; 0 if none is ready.'),
  bytes: gauge('forebay.queue.size', 'By', QUEUE, 'Payload of ready, delayed and in-flight tasks.'),
  producersWaiting: gauge(
    'forebay.producers.waiting',
    '{task}',
    QUEUE,
    'Tasks whose producers wait for room, in this process.',
  ),
  consumers: gauge(
    'forebay.consumers',
    '{consumer}',
    [...QUEUE, 'state'],
    'Consumers in this process, by their state.',
  ),
  running: gauge('forebay.attempts.running', '{attempt}', QUEUE, 'Attempts that run now.'),
  concurrencyLimit: gauge(
    'forebay.concurrency.limit',
    '{attempt}',
    QUEUE,
    'Attempts that may run at once, of all consumers in this process.',
  ),
  rateLimit: gauge(
    'forebay.rate.limit',
    '{task}/s',
    QUEUE,
    'Starts per second that are configured. Absent where there is no limit.',
  ),
  effectiveRate: gauge(
    'forebay.rate.effective',
    '{task}/s',
    QUEUE,
    'Starts per second that rate, quota, concurrency, breaker and holds leave. Absent where nothing bounds them.',
  ),
  flowBound: gauge(
    'forebay.flow.bound',
    '{flag}',
    [...QUEUE, 'bound'],
    '1 for what bounds the flow now, 0 for all else.',
  ),
  pacerUtilization: gauge(
    'forebay.pacer.utilization',
    '1',
    QUEUE,
    'Share of the permits of the last ten seconds that were used. Absent where there is no limit.',
  ),
  breakerState: gauge(
    'forebay.breaker.state',
    '{flag}',
    [...QUEUE, 'state'],
    '1 for the state of the circuit breaker, 0 for the others. Absent without a breaker.',
  ),
  desiredWorkers: gauge(
    'forebay.desired.workers',
    '{worker}',
    QUEUE,
    'Workers that the objective of the queue takes. Absent without an objective, and before the first decision.',
  ),
  usefulWorkers: gauge(
    'forebay.useful.workers',
    '{worker}',
    QUEUE,
    'Workers that the downstream can use; more are never desired. Absent where that is not known.',
  ),
  lateShare: gauge(
    'forebay.late.share',
    '1',
    QUEUE,
    'Share of the tasks of the last hour that waited longer than the objective says. Absent without an objective.',
  ),
  keyTasks: gauge(
    'forebay.key.tasks',
    '{task}',
    [...QUEUE, 'key'],
    'Accepted tasks of the most frequent keys: never too few, and hardly too many.',
  ),
  loopMean: gauge(
    'nodejs.eventloop.delay.mean',
    's',
    [],
    'Mean delay of the event loop over the last window of at least ten seconds.',
  ),
  loopP99: gauge(
    'nodejs.eventloop.delay.p99',
    's',
    [],
    '99th percentile of the delay of the event loop over the same window.',
  ),
  loopMax: gauge('nodejs.eventloop.delay.max', 's', [], 'Longest delay of the event loop over the same window.'),
} as const satisfies Readonly<Record<string, Metric>>
