import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeRecord,
  encodeRecord,
  hasExpired,
  readyAtOf,
  recordOf,
  successorOf,
  type Version,
} from './task-record.ts'

const task = fc.record(
  {
    id: fc.string({ minLength: 1 }),
    type: fc.string({ unit: 'binary', minLength: 1 }),
    payload: fc.json(),
    priority: fc.integer({ min: -1_000, max: 1_000 }),
    key: fc.string({ unit: 'binary', minLength: 1 }),
    cost: fc.double({ min: 0.001, max: 1e9, noNaN: true }),
    headers: fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
    ttlMs: fc.integer({ min: 1 }),
    delayMs: fc.integer({ min: 0, max: 10_000 }),
  },
  { requiredKeys: ['id', 'type', 'payload', 'priority', 'delayMs'] },
)

/** A version that stands where the last one did, after some time. */
const version = (record: Version['record'], sequence: number, storedAt: number): Version => ({
  record,
  sequence,
  storedAt,
})

test('law: what is written is read, whatever is in it', () => {
  fc.assert(
    fc.property(task, (one) => {
      const record = recordOf(one, undefined)
      expect(decodeRecord(encodeRecord(record))).toEqual(record)
    }),
    { numRuns: 2_000 },
  )
})

test('law: through any row of versions the task stays what it was, and the last ten failures are kept', () => {
  fc.assert(
    fc.property(task, fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 14 }), (one, delays) => {
      const first = recordOf(one, undefined)
      let last = version(first, 1, 1_000.5)
      for (const [index, delayMs] of delays.entries()) {
        const failure = { attempt: index + 1, at: 0, code: 'Error', message: 'no' }
        const delayed = delayMs > 0 ? ({ kind: 'delayed', delayMs } as const) : ({ kind: 'ready' } as const)
        const record = successorOf(last, { ...delayed, attempts: index + 1, failure })
        expect(record.previous).toBe(last.sequence)
        last = version(decodeRecord(encodeRecord(record)), last.sequence + 5, last.storedAt + 100)
        expect(readyAtOf(last)).toBe(last.storedAt + delayMs)
      }
      const { id, type, payload, priority, key, cost, headers, ttlMs } = first
      expect(last.record).toMatchObject({ id, type, payload, priority })
      expect([last.record.key, last.record.cost, last.record.headers, last.record.ttlMs]).toEqual([
        key,
        cost,
        headers,
        ttlMs,
      ])
      expect(last.record.failures?.map(({ attempt }) => attempt) ?? []).toEqual(
        delays.map((_, index) => index + 1).slice(-10),
      )
      if (delays.length > 0) expect([last.record.createdAt, last.record.bornAt]).toEqual([1_000, 1_000.5])
    }),
    { numRuns: 1_000 },
  )
})

test('a time to live runs from the first version on, and anew from one that is reborn', () => {
  const first = version(
    recordOf({ id: 'a', type: 't', payload: '1', priority: 0, delayMs: 0, ttlMs: 50 }, undefined),
    1,
    100,
  )
  expect([hasExpired(first, 149), hasExpired(first, 150)]).toEqual([false, true])
  const second = version(successorOf(first, { kind: 'ready', attempts: 1 }), 2, 140)
  expect([hasExpired(second, 149), hasExpired(second, 150)]).toEqual([false, true])
  const reborn = version(successorOf(second, { kind: 'ready', attempts: 0, reborn: true }), 3, 1_000)
  expect([hasExpired(reborn, 1_049), hasExpired(reborn, 1_050)]).toEqual([false, true])
  expect(reborn.record.createdAt).toBe(100)
})

test('what is no task is said to be none', () => {
  for (const text of ['', 'hello', '{"id":1', 'no\n{}']) {
    expect(() => decodeRecord(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'BACKEND_CORRUPT' }))
  }
})
