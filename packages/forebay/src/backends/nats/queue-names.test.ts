import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QueueNames, tokenOf } from './queue-names.ts'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 128 })

test('law: a token has only what NATS allows in names, and two texts never have the same one', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(tokenOf(a)).toMatch(/^[A-Za-z0-9_=-]+$/)
      expect(tokenOf(a) === tokenOf(b)).toBe(a === b)
    }),
    { numRuns: 2_000 },
  )
})

test('plain names stay as they are; what would part or match subjects does not', () => {
  expect(['orders', 'tenant_7-b'].map(tokenOf)).toEqual(['orders', 'tenant_7-b'])
  expect(['a.b', 'a*', '>', 'a b', 'a=b', 'ü'].map(tokenOf)).toEqual([
    'a=2eb',
    'a=2a',
    '=3e',
    'a=20b',
    'a=3db',
    '=c3=bc',
  ])
})

test('queues whose names begin alike have no stream in common', () => {
  const names = (queue: string) => {
    const { laterStream, deadStream, marksStream, ...rest } = new QueueNames('forebay', queue)
    return [
      laterStream,
      deadStream,
      marksStream,
      new QueueNames('forebay', queue).tasksStream('0'),
      ...Object.keys(rest),
    ]
  }
  const all = ['a', 'a-later', 'a-tasks', 'a-tasks-0', 'a-dead'].flatMap(names)
  expect(new Set(all).size).toBe(all.length)
})
