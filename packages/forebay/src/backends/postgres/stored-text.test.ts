import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FIELD_END, fromStored, toStored } from './stored-text.ts'

const unit = fc.oneof(
  fc.constantFrom('\0', '\x01', '\x02', '\ud800', '\udfff', '🏞', 'ü', '0001', 'a'),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
)

test('law: every text comes back as it was, and what is stored has no NUL, no half of a pair and no end of a field', () => {
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 20 }), (units) => {
      const text = units.join('')
      const stored = toStored(text)
      expect(fromStored(stored)).toBe(text)
      expect(stored.includes('\0')).toBe(false)
      expect(stored.includes(FIELD_END)).toBe(false)
      expect(Buffer.from(stored).toString()).toBe(stored)
    }),
    { numRuns: 2_000 },
  )
})

test('law: two texts are stored alike only if they are one', () => {
  const text = fc.array(unit, { maxLength: 4 }).map((units) => units.join(''))
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(toStored(a) === toStored(b)).toBe(a === b)
    }),
    { numRuns: 2_000 },
  )
})

test('ordinary texts are stored as they are', () => {
  for (const text of ['', 'order 42', 'ü 🏞', '\t\n']) expect(toStored(text)).toBe(text)
})
