import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bodyOf, storedTask } from './task-body.ts'

const text = fc.string({ unit: 'binary' })
const task = fc.record(
  {
    id: text,
    type: text,
    payload: fc.json(),
    priority: fc.integer({ min: -1_000, max: 1_000 }),
    delayMs: fc.constant(0),
    key: text,
    cost: fc.double({ min: 0.001, max: 1e9, noNaN: true }),
    headers: fc.dictionary(text, text),
  },
  { requiredKeys: ['id', 'type', 'payload', 'priority', 'delayMs'] },
)

test('law: what goes in comes out, with whatever line the scripts put before it', () => {
  fc.assert(
    fc.property(task, fc.constantFrom('\n', '1767225600000000 3 0\n'), (one, line) => {
      const back = storedTask(`${line}${bodyOf(one)}`, { id: one.id, attempts: 2, createdAt: 7, failures: '' })
      const { delayMs: _, ...kept } = one
      const defaults = { cost: 1, headers: {}, attempts: 2, createdAt: 7, failures: [] }
      expect(back).toEqual({ ...defaults, ...kept, headers: { ...one.headers } })
    }),
    { numRuns: 1_000 },
  )
})
