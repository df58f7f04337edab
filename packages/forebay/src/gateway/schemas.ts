/** JSON schemas that several endpoints answer with, as OpenAPI components. */

import { FLOWS } from './flow-meter.ts'

type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' } as const
const whole = { type: 'integer' } as const
const number = { type: 'number' } as const
const epochMs = { type: 'number', description: 'Epoch milliseconds.' } as const

const object = (properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
})

const flows = object(Object.fromEntries(FLOWS.map((flow) => [flow, number])))

const rateLimit = { perSecond: number, burst: number, counts: { enum: ['tasks', 'cost'] } } as const

const failure = object({ attempt: whole, at: epochMs, code: text, message: text })

const error = object({ code: text, message: text, todo: text, path: text, retryAfterMs: number }, [
  'path',
  'retryAfterMs',
])

const taken = {
  id: text,
  status: { enum: ['accepted', 'duplicate'] },
  spilled: { type: 'boolean', description: 'It lies in the spill until there is room in the queue.' },
  startsInMs: {
    type: 'number',
    description: 'When it is likely to start, from now on; with `Prefer: estimate`, if known.',
  },
  position: { type: 'integer', description: 'How many tasks are likely to start before it.' },
} as const

const storedTask = {
  id: text,
  queue: text,
  type: text,
  attempts: whole,
  createdAt: epochMs,
  priority: whole,
  key: text,
  failures: { type: 'array', items: failure },
}

export const SCHEMAS = {
  Error: object({ error }),
  Accepted: object({ ...taken, statusUrl: text }, ['spilled', 'startsInMs', 'position']),
  AcceptedMany: object(
    {
      accepted: whole,
      duplicates: whole,
      refused: whole,
      results: {
        type: 'array',
        description: 'One for each task, in their order.',
        items: object({ ...taken, status: { enum: ['accepted', 'duplicate', 'refused'] }, error }, [
          'id',
          'spilled',
          'startsInMs',
          'position',
          'error',
        ]),
      },
      error,
    },
    ['error'],
  ),
  Queue: object({
    name: text,
    state: { enum: ['running', 'paused', 'stopping', 'stopped'] },
    standsStill: {
      anyOf: [object({ reason: text, until: { ...epochMs, type: ['number', 'null'] } }), { type: 'null' }],
      description: 'Why nothing starts although it runs: its circuit breaker is open, or half-open.',
    },
    target: text,
    limits: object({
      rate: object({ ...rateLimit, also: { type: 'array', items: object(rateLimit) }, rampMs: number }),
      concurrency: whole,
      maxAttempts: whole,
      timeoutMs: number,
      maxDepth: whole,
      overflow: { enum: ['reject', 'drop-oldest', 'drop-lowest-priority', 'wait', 'spill'] },
      shedLate: { type: 'boolean' },
    }),
    effectiveRate: {
      ...object({
        perSecond: { type: ['number', 'null'], description: 'Starts per second; null: nothing is known to bound it.' },
        boundBy: { enum: ['paused', 'breaker', 'hold', 'rate', 'quota', 'concurrency'] },
      }),
      description: 'What the flow can do now, whatever its rate is set to, and what bounds it.',
    },
    depth: object({
      ready: whole,
      delayed: whole,
      inFlight: whole,
      dead: whole,
      oldestReadyAgeMs: { type: ['number', 'null'] },
      bytes: { type: ['number', 'null'] },
    }),
    spilled: { type: ['integer', 'null'], description: 'How many tasks lie in its spill; null if it has none.' },
    rates: { ...flows, description: 'Per second, over the last ten seconds.' },
    totals: { ...flows, description: 'Since this gateway started.' },
    waitingCallers: { type: 'integer', description: 'How many wait for what the target answers.' },
    waitingProducers: { type: 'integer', description: 'How many tasks wait for room, with `overflow: wait`.' },
  }),
  Task: object(
    {
      ...storedTask,
      state: { enum: ['ready', 'delayed', 'inFlight', 'dead', 'completed'] },
      reason: text,
      deadAt: epochMs,
      completedAt: epochMs,
      result: { description: 'What the target answered: status, headers, and body or bodyBase64.' },
    },
    ['type', 'attempts', 'createdAt', 'priority', 'key', 'failures', 'reason', 'deadAt', 'completedAt', 'result'],
  ),
  DeadLetters: object(
    {
      items: { type: 'array', items: object({ ...storedTask, payload: {}, reason: text, deadAt: epochMs }, ['key']) },
      next: { type: 'string', description: 'Pass it as `after` for the next page; absent on the last.' },
    },
    ['next'],
  ),
  Count: object({ count: whole }),
  Health: object({ status: text }),
} as const satisfies Record<string, Schema>

/** Refers to a schema of the document. */
export function ref(name: keyof typeof SCHEMAS): Schema {
  return { $ref: `#/components/schemas/${name}` }
}
