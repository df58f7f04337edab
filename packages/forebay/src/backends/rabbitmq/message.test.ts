import fc from 'fast-check'
import type { AsyncMessage } from 'rabbitmq-client'
import { describe, expect, it } from 'vitest'
import type { NewTask } from '../queue-service.ts'
import {
  bodyOf,
  CONTENT_TYPE,
  foreignLetter,
  headersOf,
  letterOf,
  progressOf,
  recordOf,
  storedTask,
  timesGiven,
} from './message.ts'

const NOW = 1_767_225_600_000

const anyTask: fc.Arbitrary<NewTask> = fc.record(
  {
    id: fc.string({ minLength: 1, unit: 'binary' }),
    type: fc.string({ minLength: 1, unit: 'binary' }),
    payload: fc.json(),
    priority: fc.integer({ min: -1_000, max: 1_000 }),
    delayMs: fc.nat(),
    key: fc.string({ minLength: 1, unit: 'binary' }),
    cost: fc.double({ min: 0.1, max: 1e9, noNaN: true }),
    ttlMs: fc.nat(),
    headers: fc.dictionary(fc.string(), fc.string()),
  },
  { requiredKeys: ['id', 'type', 'payload', 'priority', 'delayMs'] },
)

describe('a task as a message', () => {
  it('law: what goes in comes out', () => {
    fc.assert(
      fc.property(anyTask, fc.nat(20), (task, attempts) => {
        const body = bodyOf({ record: recordOf(task, NOW), payload: task.payload })
        const letter = letterOf({ body, contentType: CONTENT_TYPE })
        const { id, type, payload, priority, key, cost = 1, headers = {} } = task
        const fields = { id, type, payload, priority, cost, headers, attempts, createdAt: NOW, failures: [] }
        expect(letter && storedTask(letter, attempts)).toEqual({ ...fields, ...(key !== undefined && { key }) })
        expect(letter?.record.expiresAt).toBe(task.ttlMs === undefined ? undefined : NOW + task.ttlMs)
      }),
      { numRuns: 1_000 },
    )
  })

  it('its progress is whole numbers, and a delay is never cut short', () => {
    const headers = headersOf({ attempts: 3, readyAt: NOW + 0.4, leftMs: 12.1 })
    expect(progressOf({ headers })).toEqual({ attempts: 3, readyAt: NOW, leftMs: 13 })
    expect(progressOf({})).toEqual({ attempts: 0, readyAt: 0, leftMs: 0 })
  })

  it('the server’s count is taken where there is one, the later versions’ first', () => {
    expect(timesGiven({ redelivered: false })).toBe(0)
    expect(timesGiven({ redelivered: true })).toBe(undefined)
    expect(timesGiven({ redelivered: true, headers: { 'x-delivery-count': 2 } })).toBe(2)
    expect(timesGiven({ redelivered: true, headers: { 'x-delivery-count': 1, 'x-acquired-count': 4 } })).toBe(4)
  })

  it.each([
    [
      'another content type',
      { body: Buffer.from('{"id":"a","type":"t","priority":0,"createdAt":1}\n1'), contentType: 'text/x' },
    ],
    ['text', { body: 'hello', contentType: CONTENT_TYPE }],
    ['no line', { body: Buffer.from('{}'), contentType: CONTENT_TYPE }],
    ['a record without an id', { body: Buffer.from('{"type":"t"}\n1'), contentType: CONTENT_TYPE }],
    ['null', { body: Buffer.from('null\n1'), contentType: CONTENT_TYPE }],
  ])('%s is none of ours', (_, message) => {
    expect(letterOf(message)).toBe(undefined)
  })

  it('what is none of ours can be looked at all the same', () => {
    const message = { body: Buffer.from('hello'), type: 'greeting', messageId: 'm1' } as AsyncMessage
    expect(foreignLetter(message, 's', NOW)).toEqual({
      record: { id: 'm1', type: 'greeting', priority: 0, createdAt: NOW },
      payload: '"hello"',
    })
    expect(foreignLetter({ body: { a: 1 } } as AsyncMessage, 's', NOW)).toMatchObject({
      record: { id: 'unreadable s', type: 'unknown' },
      payload: JSON.stringify('{"a":1}'),
    })
  })
})
