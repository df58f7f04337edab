/** The gateway's configuration: every field, its default and its bounds. The words of the errors are in config-errors.ts. */

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { ForebayError } from '../errors.ts'
import { CronTimes } from '../queue/cron-times.ts'
import { TASK_BOUNDS } from '../task.ts'
import { DEFAULT_MAX_SERIES, LEAST_MAX_SERIES } from '../telemetry/registry.ts'
import { fairSchema, fairShape, overflowSchema, overflowShape } from './admission-schema.ts'
import { concurrencySchema } from './concurrency-schema.ts'
import { parseListen } from './listen-address.ts'
import { perKeyShape, rateSchema, rateShape } from './rate-schema.ts'
import { scalingSchema } from './scaling-schema.ts'

const WEEK_MS = 7 * 24 * 3_600_000

const ms = (least: number, most = WEEK_MS) => z.number().min(least).max(most)
const count = (least: number, most: number) => z.int().min(least).max(most)

/** A short form is spelled out before it is judged, so that faults have one place. */
const shorthand = <Shape extends z.ZodType>(field: string, schema: Shape) =>
  z.preprocess((given) => (isMapping(given) || given === undefined ? given : { [field]: given }), schema)

function isMapping(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}

/** What the HTTP side puts up with. */
export const limitsShape = {
  /** Bytes of one request's body, or of one line of NDJSON. */
  bodyBytes: count(1_024, 1_073_741_824).default(1_048_576),
  /** Bytes of one NDJSON request in all. */
  streamBytes: count(1_024, 1_099_511_627_776).default(268_435_456),
  /** Tasks in one request. */
  batchTasks: count(1, 1_000_000).default(100_000),
  /** Bytes of one request's headers in all, and how many there may be. */
  headerBytes: count(1_024, 1_048_576).default(16_384),
  headers: count(10, 2_000).default(100),
  /** Until a request's headers, and all of it, must have arrived. */
  headersTimeoutMs: ms(100).default(10_000),
  requestTimeoutMs: ms(100).default(60_000),
  /** How long an idle connection stays open. */
  keepAliveMs: ms(1).default(65_000),
  connections: count(1, 1_000_000).default(10_000),
}

/** What `/metrics` shows. */
export const metricsShape = {
  /** Series at most, as Prometheus counts them. */
  maxSeries: count(LEAST_MAX_SERIES, 1_000_000).default(DEFAULT_MAX_SERIES),
  /** The most frequent keys of each queue that are shown. */
  topKeys: count(0, 50).default(0),
}

const httpUrl = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const fault = !url
    ? 'is no URL such as https://api.example.com/orders'
    : url.protocol !== 'http:' && url.protocol !== 'https:'
      ? `${url.protocol} is no scheme that the gateway calls; write http://... or https://...`
      : url.username !== '' || url.password !== ''
        ? 'a URL with a password in it ends up in logs; use target.headers'
        : undefined
  if (fault) context.addIssue({ code: 'custom', message: fault })
})

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'is no header name')
const headerValue = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]{0,8192}$/, 'a header value has no line breaks or control characters')

export const targetShape = {
  url: httpUrl,
  method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
  /** Set on each request, over what a caller sent. */
  headers: z.record(headerName, headerValue).default({}),
  /** For one attempt, its answer included. */
  timeoutMs: ms(1).default(30_000),
}

const share = z.number().positive().max(1)

export const breakerShape = {
  failureRate: share.default(0.5),
  slowRate: share.default(1),
  slowMs: ms(1).default(30_000),
  minCalls: count(1, 1_000_000).default(20),
  windowMs: ms(100).default(10_000),
  openMs: ms(1).default(5_000),
  maxOpenMs: ms(1).default(60_000),
  probes: count(1, 1_000).default(2),
}

export const retryShape = {
  maxAttempts: count(1, 1_000).default(3),
  baseMs: ms(0).default(1_000),
  capMs: ms(0).default(60_000),
}

const cronShape = {
  /** Five fields, or six with seconds first; or a nickname such as "@daily". */
  cron: z.string(),
  /** An IANA name such as Europe/Berlin. */
  timeZone: z.string().default('UTC'),
}

/** At whose ticks other limits take force. */
export const scheduleShape = {
  ...cronShape,
  rate: shorthand(
    'perSecond',
    z.strictObject({ perSecond: z.number().positive().max(50_000), rampMs: ms(0, 3_600_000).optional() }).optional(),
  ),
  concurrency: concurrencySchema.optional(),
}

/** A task that comes again and again. */
export const recurringShape = {
  ...cronShape,
  /** What becomes of ticks that no gateway was running for. */
  missed: z.enum(['skip', 'once']).default('skip'),
  /** With `missed: once`: ticks before it were never due. */
  since: z.iso.datetime({ offset: true }).optional(),
  type: z.string().min(1).max(TASK_BOUNDS.typeChars).default('task'),
  /** Any JSON value. */
  payload: z.unknown().superRefine((value, context) => {
    const fault =
      value === undefined ? 'is missing' : z.json().safeParse(value).success ? undefined : 'is no JSON value'
    if (fault) context.addIssue({ code: 'custom', message: fault })
  }),
  priority: z.int().min(-TASK_BOUNDS.priority).max(TASK_BOUNDS.priority).default(0),
  key: z.string().min(1).max(TASK_BOUNDS.keyChars).optional(),
  ttlMs: ms(1, 365 * 24 * 3_600_000).optional(),
}

function isNotEmpty({ rate, concurrency }: { readonly rate?: unknown; readonly concurrency?: unknown }): boolean {
  return rate !== undefined || concurrency !== undefined
}

/** Patterns are judged where they are written, and not when they should first come. */
function checkCron({ cron, timeZone }: { cron: string; timeZone: string }, context: z.RefinementCtx): void {
  try {
    new CronTimes({ cron, timeZone })
  } catch (thrown) {
    const { message, path = 'cron' } = thrown as ForebayError
    context.addIssue({ code: 'custom', message, path: [path] })
  }
}

const recurrenceName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'a name has letters, digits, ".", "_" and "-", at most 64')

export const queueShape = {
  /** Where the tasks go. */
  target: shorthand('url', z.strictObject(targetShape)),
  /** Starts per second, retries included, and further limits. */
  rate: shorthand('perSecond', rateSchema),
  /** How many run at once, here or in all gateways together, or within what bounds that is found. */
  concurrency: concurrencySchema.default(8),
  /** Limits for each key, over all gateways. */
  perKey: z.strictObject(perKeyShape).refine(isNotEmpty, 'names a concurrency, a rate or both').optional(),
  retry: z.strictObject(retryShape).prefault({}),
  /** Off unless it is configured: then it stops calling a target that fails. */
  breaker: z.union([z.literal(false), z.strictObject(breakerShape)]).default(false),
  /** Whether it starts paused. */
  paused: z.boolean().default(false),
  maxDepth: count(1, Number.MAX_SAFE_INTEGER).default(100_000),
  maxBytes: count(1, Number.MAX_SAFE_INTEGER).optional(),
  /** Whether each key gets its fair share, and how much that is. Default: alike, where the backend can. */
  fair: fairSchema.optional(),
  /** What happens at a bound. */
  overflow: shorthand('policy', overflowSchema),
  /** Whether a task that would expire before it could start is refused at once. */
  shedLate: z.boolean().default(false),
  maxPayloadBytes: count(1, 1_073_741_824).default(262_144),
  /** How long the `Idempotency-Key` of a request is remembered. */
  idempotencyWindowMs: count(1, 30 * 24 * 3_600_000).default(3_600_000),
  dedupWindowMs: count(1, 30 * 24 * 3_600_000).default(300_000),
  /** What becomes of a task that the target answers with 4xx: dead at once, retried, or done with that answer. */
  onClientError: z.enum(['dead', 'retry', 'complete']).default('dead'),
  /** The longest quiet that a target's Retry-After may ask for. */
  maxRetryAfterMs: ms(1_000).default(300_000),
  /** How long a result can be asked for; the gateway's own value if absent. 0: not at all. */
  keepResultsMs: ms(0, 365 * 24 * 3_600_000).optional(),
  /** Other limits at other times: each entry's from its tick until another's. */
  schedule: z
    .array(
      z.strictObject(scheduleShape).refine(isNotEmpty, 'names a rate, a concurrency or both').superRefine(checkCron),
    )
    .max(100)
    .default([]),
  /** Tasks that come again and again, by name. */
  recurring: z.record(recurrenceName, z.strictObject(recurringShape).superRefine(checkCron)).default({}),
  /** What the queue's workers are scaled by, where that is wanted. */
  scaling: scalingSchema.optional(),
  /** Whether callers may name a URL that the result is posted to. */
  callbacks: z.boolean().default(false),
}

/** No ".": `<queue>.callbacks` is the gateway's own. */
const queueName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'a queue name has letters, digits, "_" and "-", at most 64')

const listen = z.string().superRefine((text, context) => {
  try {
    parseListen(text)
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: thrown instanceof ForebayError ? thrown.message : String(thrown) })
  }
})

const token = z
  .string()
  .regex(
    /^(sha256:[0-9a-f]{64}|(?!sha256:)[\x21-\x7e]{16,512})$/,
    'a token has 16 to 512 visible characters, or is "sha256:" and 64 hex digits',
  )

const addressRange = z
  .string()
  .refine((text) => isIP(text) !== 0 || ipaddr.isValidCIDR(text), 'is no address range such as 10.1.0.0/16')

export const configShape = {
  /** Where the gateway listens. Anything but loopback needs tokens. */
  listen: listen.default('127.0.0.1:8080'),
  /** A backend URL. */
  storage: z.string().min(1).default('sqlite:forebay.db'),
  /** A backend URL, where gateways keep their limits together if the storage can't. */
  coordinator: z.string().min(1).optional(),
  /** Who may call, as Authorization: Bearer. None: anybody on this machine. */
  tokens: z.array(token).max(1_000).default([]),
  /** Ranges of private addresses that targets and callbacks may have. */
  allowPrivateTargets: z.array(addressRange).max(1_000).default([]),
  /** The longest that a caller waits for its answer. */
  replyWaitMs: ms(0, 3_600_000).default(30_000),
  /** The largest answer that is kept and passed back. */
  replyBytes: count(0, 67_108_864).default(1_048_576),
  keepResultsMs: ms(0, 365 * 24 * 3_600_000).default(3_600_000),
  /** How long a stop waits for running tasks. */
  graceMs: ms(0, 3_600_000).default(10_000),
  /** Where KEDA may ask for the scaling signals, by gRPC. */
  kedaListen: listen.optional(),
  limits: z.strictObject(limitsShape).prefault({}),
  /** Whether `/metrics` answers, and what it shows. */
  metrics: z
    .preprocess(
      (given) => (given === true ? {} : given),
      z.union(
        [z.literal(false), z.strictObject(metricsShape)],
        'is true, false, or a mapping with maxSeries and topKeys',
      ),
    )
    .prefault({}),
  queues: z
    .record(queueName, z.strictObject(queueShape))
    .refine((queues) => Object.keys(queues).length > 0, 'at least one queue is needed'),
}

export const configSchema = z
  .strictObject(configShape)
  .refine(
    ({ kedaListen, queues }) => kedaListen === undefined || Object.values(queues).some(({ scaling }) => scaling),
    {
      path: ['kedaListen'],
      message: 'no queue has an objective to scale by; give one: scaling: { waitMs: 60000 }',
    },
  )

export type GatewayConfig = z.output<typeof configSchema>
export type QueueSettings = GatewayConfig['queues'][string]
export type HttpLimits = GatewayConfig['limits']

const SHAPES_IN_A_QUEUE = {
  target: targetShape,
  rate: rateShape,
  fair: fairShape,
  overflow: overflowShape,
  perKey: perKeyShape,
  retry: retryShape,
  breaker: breakerShape,
  schedule: scheduleShape,
  recurring: recurringShape,
}

/** The fields that are known at a place of the configuration: for the hint at a mistyped one. */
export function knownFields(path: readonly PropertyKey[]): string[] {
  const [first, , third, , fifth] = path
  const shape =
    path.length === 0
      ? configShape
      : first === 'limits'
        ? limitsShape
        : first === 'metrics'
          ? metricsShape
          : third === undefined
            ? queueShape
            : SHAPES_IN_A_QUEUE[String(fifth ?? third) as keyof typeof SHAPES_IN_A_QUEUE]
  return Object.keys(shape ?? {})
}
