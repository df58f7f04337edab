import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NewTask } from './queue-service.ts'
import {
  foreignLetter,
  isExpired,
  letterOf,
  plainTextOf,
  recordOf,
  revived,
  storedTask,
  textOf,
} from './task-letter.ts'

const NOW = 1_767_225_600_000

/** Also texts of what JSON escapes, and of what it does not though an engine refuses it. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '\\',
        '\\u',
        'd83c',
        'dfde',
        'fffe',
        '"',
        '\n',
        '\uFFFE',
        '\uFFFF',
        '🏞',
        '\ud83c',
        '\udfde',
        '{"forebay":1,',
      ),
    )
    .map((parts) => parts.join('')),
)

const newTask = fc
  .record({
    id: text,
    type: text,
    payload: fc.jsonValue().chain((value) => text.map((more) => JSON.stringify([value, more]))),
    priority: fc.integer({ min: -1_000, max: 1_000 }),
    delayMs: fc.nat(),
    key: fc.option(text, { nil: undefined }),
    ttlMs: fc.option(fc.nat(), { nil: undefined }),
    headers: fc.option(fc.dictionary(text, text), { nil: undefined }),
  })
  .map(
    (fields) =>
      Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as unknown as NewTask,
  )

test('law: a task comes out of its text as it went in, also out of plain text', () => {
  fc.assert(
    fc.property(newTask, (task) => {
      const record = recordOf(task, NOW)
      // JSON itself can't keep two halves apart that make a character together: they are that character.
      const asJson = JSON.parse(JSON.stringify(record))
      const written = textOf({ record, payload: task.payload })
      expect(written).not.toMatch(/[\uFFFE\uFFFF]/)
      const plain = plainTextOf(written)
      expect(plain).not.toMatch(/[\uD800-\uDFFF\uFFFE\uFFFF]/)
      for (const one of [written, plain]) expect(letterOf(one)).toEqual({ record: asJson, payload: task.payload })
    }),
    { numRuns: 2_000 },
  )
})

test('what others wrote is no letter, and becomes a task that can be looked at', () => {
  for (const foreign of ['', '{}', '{"forebay":1,', '{"forebay":1,"id":\n1', 'plain']) {
    expect(letterOf(foreign)).toBeUndefined()
  }
  const letter = foreignLetter('m1', 'a "text"', NOW)
  expect(storedTask(letter, 3)).toMatchObject({
    id: 'unreadable m1',
    payload: '"a \\"text\\""',
    attempts: 3,
    priority: 0,
  })
})

test('a dead one made ready again has no attempts, and its time to live anew', () => {
  const record = recordOf({ id: 'a', type: 't', payload: '1', priority: 0, delayMs: 0, ttlMs: 100 }, NOW)
  expect([isExpired(record, NOW + 99), isExpired(record, NOW + 100)]).toEqual([false, true])
  const dead = { ...record, granted: 4, leftMs: 1, death: { reason: 'refused', at: NOW, stamp: 's' } as const }
  const again = revived(dead, NOW + 500)
  expect(again).toEqual({ ...record, readyAt: NOW + 500, expiresAt: NOW + 600 })
})
