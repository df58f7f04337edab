import { describe, expect, it } from 'vitest'
import { type FindingCode, findingsOf, JUDGES } from './findings.ts'
import type { ConsumerSeen, DeadLetterSeen, QueueSnapshot } from './snapshot.ts'

const consumer: ConsumerSeen = {
  state: 'running',
  standsStill: undefined,
  ratePerSecond: 10,
  effectivePerSecond: 10,
  boundBy: 'rate',
  concurrency: 8,
  leaseMs: 30_000,
  maxDepth: 10_000,
}

const depth = { ready: 5, delayed: 0, inFlight: 3, dead: 0, oldestReadyAgeMs: 400 }

/** A queue with which all is well. */
const well: QueueSnapshot = {
  name: 'orders',
  watchedMs: 300_000,
  depth,
  depthBefore: depth,
  flow: { arrived: 8, started: 8, ended: 8, retried: 0.1, refused: 0 },
  consumer,
  serviceP99Ms: 900,
  leasesLost: 0,
  deadLetters: [],
  keys: [
    { key: 'a', tasks: 20 },
    { key: 'b', tasks: 19 },
    { key: 'c', tasks: 18 },
  ],
  clock: { aheadMs: 40, uncertainMs: 510 },
}

const failure = (attempt: number, code: string) => ({ attempt, at: 0, code, message: `it said ${code}` })

const letters = (count: number, type: string, ...codes: readonly string[]): DeadLetterSeen[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `${type}-${index}`,
    type,
    reason: 'attempts-exhausted',
    deadAt: 0,
    failures: codes.map((code, attempt) => failure(attempt + 1, code)),
  }))

const codesOf = (change: Partial<QueueSnapshot>) => findingsOf({ ...well, ...change }).map(({ code }) => code)
const consuming = (change: Partial<ConsumerSeen>) => ({ consumer: { ...consumer, ...change } })

const full = { ...depth, ready: 700 }
const idle = { ...depth, ready: 40, inFlight: 0, oldestReadyAgeMs: 60_000 }
const still = { ...well.flow, started: 0, ended: 0 }
const nobody = { consumer: undefined, depth: idle, depthBefore: idle, flow: still }
const flooded = { depth: full, flow: { ...well.flow, arrived: 12 } }

/** Each finding: what brings it about, and what comes near and does not. */
const CASES: Readonly<
  Record<FindingCode, { readonly found: Partial<QueueSnapshot>[]; readonly not: Partial<QueueSnapshot>[] }>
> = {
  'rate-below-arrivals': {
    found: [
      flooded,
      { ...flooded, ...consuming({ ratePerSecond: undefined }) },
      { ...flooded, ...consuming({ effectivePerSecond: 4, boundBy: 'concurrency' }) },
    ],
    not: [
      { ...flooded, flow: { ...well.flow, arrived: 10 } },
      { ...flooded, depthBefore: full },
      { ...flooded, depth: { ...depth, ready: 599 } },
      { ...flooded, flow: { ...well.flow, arrived: undefined } },
      { ...flooded, ...consuming({ ratePerSecond: undefined, effectivePerSecond: undefined }) },
      { ...flooded, ...consuming({ effectivePerSecond: 0, boundBy: 'paused' }) },
    ],
  },
  'no-consumer': {
    found: [nobody, { ...nobody, flow: { ...still, started: undefined, ended: undefined } }],
    not: [
      { ...nobody, depth: { ...idle, ready: 0 } },
      { ...nobody, depthBefore: { ...idle, inFlight: 1 } },
      { ...nobody, depth: { ...idle, inFlight: 1 } },
      { ...nobody, depth: { ...idle, oldestReadyAgeMs: 2_000 } },
      { ...nobody, flow: { ...still, started: undefined, ended: 0.5 } },
      { ...nobody, consumer },
    ],
  },
  'stands-still': {
    found: [consuming({ state: 'paused' }), consuming({ standsStill: '60% of calls failed' })],
    not: [{ ...consuming({ state: 'paused' }), depth: { ...depth, ready: 0 } }, { consumer: undefined }],
  },
  'lease-too-short': {
    found: [{ serviceP99Ms: 31_000 }, { leasesLost: 1 }, { deadLetters: letters(1, 'a', 'LEASE_LOST', 'Error') }],
    not: [
      { serviceP99Ms: 30_000 },
      { serviceP99Ms: undefined, leasesLost: undefined },
      { deadLetters: letters(1, 'a', 'X', 'Y') },
    ],
  },
  'retries-feed-an-outage': {
    found: [{ flow: { ...well.flow, retried: 4 } }],
    not: [
      { flow: { ...well.flow, retried: 3.9 } },
      { flow: { ...well.flow, started: 0.06, retried: 0.06 } },
      { flow: { ...well.flow, retried: undefined } },
    ],
  },
  'poison-tasks': {
    found: [
      { deadLetters: letters(3, 'charge', 'TypeError', 'TypeError') },
      { deadLetters: [...letters(8, 'charge', 'E', 'E'), ...letters(2, 'mail', 'F', 'F')] },
    ],
    not: [
      { deadLetters: letters(2, 'charge', 'TypeError', 'TypeError') },
      { deadLetters: letters(9, 'charge', 'TypeError', 'TASK_TIMEOUT') },
      { deadLetters: [...letters(7, 'charge', 'E', 'E'), ...letters(3, 'mail', 'F', 'F')] },
      { deadLetters: letters(9, 'charge', 'Error') },
    ],
  },
  'hot-key': {
    found: [
      {
        keys: [
          { key: 'b', tasks: 5 },
          { key: 'a', tasks: 15 },
        ],
      },
    ],
    not: [
      { keys: [{ key: 'a', tasks: 15 }] },
      {
        keys: [
          { key: 'a', tasks: 14 },
          { key: 'b', tasks: 5 },
        ],
      },
      {
        keys: [
          { key: 'a', tasks: 15 },
          { key: 'b', tasks: 8 },
          { key: 'c', tasks: 8 },
        ],
      },
      {
        keys: [
          { key: 'a', tasks: 15 },
          { key: 'b', tasks: 5 },
        ],
        depth: { ...depth, ready: 0 },
      },
    ],
  },
  'nearly-full': {
    found: [consuming({ maxDepth: 8 }), { flow: { ...well.flow, refused: 0.1 } }],
    not: [consuming({ maxDepth: 9 }), consuming({ maxDepth: undefined })],
  },
  'clock-skew': {
    found: [{ clock: { aheadMs: 2_600, uncertainMs: 600 } }, { clock: { aheadMs: -9_000, uncertainMs: 600 } }],
    not: [{ clock: { aheadMs: 2_599, uncertainMs: 600 } }, { clock: undefined }],
  },
}

it('finds nothing where all is well', () => {
  expect(findingsOf(well)).toEqual([])
})

describe.each(Object.keys(JUDGES) as FindingCode[])('%s', (code) => {
  it.each(CASES[code].found)('is found: %j', (change) => {
    const [found, ...others] = findingsOf({ ...well, ...change }).filter((one) => one.code === code)
    expect(others).toEqual([])
    expect(found).toMatchObject({ code, queue: 'orders' })
    expect(found?.sentence).toMatch(/\.$/)
    expect(found?.evidence).toMatch(/\d/)
    expect(found?.todo).toMatch(/\.$/)
  })

  it.each(CASES[code].not)('is not found: %j', (change) => {
    expect(codesOf(change)).not.toContain(code)
  })
})

it('names what bounds the flow where it is not the rate', () => {
  const [found] = findingsOf({ ...well, ...flooded, ...consuming({ effectivePerSecond: 4, boundBy: 'concurrency' }) })
  expect(found?.evidence).toContain('what concurrency leaves is 4/s')
})

it('lets nobody steer the terminal', () => {
  const [found] = findingsOf({ ...well, deadLetters: letters(3, '\u001b[31mred', 'E', 'E') })
  expect(JSON.stringify(found)).not.toContain('\\u001b')
})
