import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from './json-input.ts'

const parse = (text: string) => parseJson(Buffer.from(text))

it('reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parse(text)).toEqual(JSON.parse(text))
    }),
  )
})

describe('the place of a fault', () => {
  it.each([
    ['', 0],
    ['abc', 0],
    ['  x', 2],
    ['{a}', 1],
    ['[1,2,x]', 5],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['{"a":truX}', 8],
    ['[tru', 4],
    ['{"a":1}}', 7],
    ['{"a":01}', 6],
    ['[1 2]', 3],
    ['[NaN]', 1],
    ['"a\nb"', 2],
  ])('in %j is position %i', (text, position) => {
    expect(() => parse(text)).toThrow(new RegExp(`^The body is not JSON: .* at position ${position} \\(line`))
  })

  it('is the first character that no JSON could have there', () => {
    const faulty = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('\u0001', '@', 'é'))
    fc.assert(
      fc.property(faulty, ([text, seed, wrong]) => {
        const at = seed % (text.length + 1)
        const broken = text.slice(0, at) + wrong + text.slice(at)
        // Within a string two of them are welcome.
        fc.pre(!parses(broken))
        expect(() => parse(broken)).toThrow(`at position ${at} `)
      }),
    )
  })

  it('is told by line and column', () => {
    expect(() => parse('{\n  "a": 1,\n  "b": oops\n}')).toThrow('(line 3, column 8)')
  })
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

it('refuses what is nested too deeply, and not what only looks like it', () => {
  expect(() => parse(`${'['.repeat(257)}${']'.repeat(257)}`)).toThrow('deeper than 256 levels at position 256')
  expect(parse(`${'['.repeat(256)}${']'.repeat(256)}`)).toBeInstanceOf(Array)
  expect(parse(JSON.stringify(['[{"\\'.repeat(300)]))).toEqual(['[{"\\'.repeat(300)])
  expect(parse(`[${'[],'.repeat(500)}1]`)).toHaveLength(501)
})

it('refuses bytes that are no UTF-8', () => {
  expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 'Line 3')).toThrow('Line 3 is not UTF-8')
})

it.each(['[', '{"a":', '"', '\\', '[1,', ' ', '-', 'x'])('50,000 characters of %s take less than 50 ms', (part) => {
  const text = Buffer.from(part.repeat(50_000 / part.length))
  const began = performance.now()
  expect(() => parseJson(text)).toThrow()
  expect(performance.now() - began).toBeLessThan(50)
})
