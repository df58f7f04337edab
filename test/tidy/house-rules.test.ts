/** The rules of the house that no general tool knows. Each failure names the line and what to use instead. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../run-tool.ts'
import { codeOf, filesOf, linesMatching, type SourceFile } from './files.ts'

const TEST = /\.test\.tsx?$/
const written = filesOf(/\.(ts|tsx|js)$/)
const product = written.filter(({ path }) => path.startsWith('packages/forebay/src/') && !TEST.test(path)).map(codeOf)
const tests = written.filter(({ path }) => TEST.test(path)).map(codeOf)
const everything = filesOf(/\.(ts|tsx|js|json|md|yaml|yml|css|html|sql)$|^\.ci\/|\.npmrc$/)
// This file and the list of its own words must name what they forbid.
const notTheseRules = ({ path }: SourceFile) => !path.startsWith('test/tidy/')

describe('time and chance come from one file each', () => {
  test.each([
    [/\bDate\.now\(|\bnew Date\(\)/, 'clock.now() of the Clock that you were handed'],
    [/\bperformance\.now\(/, 'clock.monotonic()'],
    [/\b(setTimeout|setInterval)\(/, 'clock.after(), or sleep() of clock.ts'],
    [/\btimers\/promises\b/, 'sleep() of clock.ts'],
    [/\bMath\.random\(/, 'random.next() of the RandomSource that you were handed'],
    [/\b(randomBytes|randomUUID|randomInt|getRandomValues)\(/, 'random.bytes(), or newTaskId()'],
  ])('%s: use %s', (pattern) => {
    const bound = product.filter(({ path }) => !/\/src\/(clock|random)\.ts$/.test(path))
    expect(linesMatching(bound, pattern)).toEqual([])
  })
})

describe('files', () => {
  test('are at most 400 lines long: a longer one has two duties', () => {
    const long = written.filter(({ text }) => text.split('\n').length > 400).map(({ path }) => path)
    expect(long).toEqual([])
  })

  test('are named for their duty', () => {
    const nameless = /(^|[/.-])(utils?|helpers?|managers?|misc|common|stuff)([./-]|$)/i
    expect(written.map(({ path }) => path).filter((path) => nameless.test(path))).toEqual([])
  })
})

describe('nothing is silenced or left for later', () => {
  test.each([
    [/@ts-(ignore|nocheck)/, 'a type that is right'],
    [/biome-ignore/, 'code that passes, or another rule in biome.json for all'],
    [/\b(TODO|FIXME|XXX|HACK)\b/, 'an issue, or do it'],
  ])('%s: use %s', (pattern) => {
    expect(linesMatching(written.filter(notTheseRules), pattern)).toEqual([])
  })

  test('nothing has the type any: use a type, or unknown and a check', () => {
    expect(linesMatching(written.filter(notTheseRules).map(codeOf), /\bas any\b|: any\b|<any>/)).toEqual([])
  })

  test('a type error is expected only by a test of types', () => {
    const pattern = /@ts-expect-error/
    expect(
      linesMatching(
        written.filter((file) => notTheseRules(file) && !TEST.test(file.path)),
        pattern,
      ),
    ).toEqual([])
  })

  test('no test is switched off, alone, or for later', () => {
    const pattern = /\b(test|it|describe)(\.\w+)*\.(only|skip|todo|fails)\b/
    expect(linesMatching(tests.filter(notTheseRules), pattern)).toEqual([])
  })

  test('no test sleeps, except where it says that it runs in real time', () => {
    const virtual = tests.filter(({ path }) => !/\.real\.test\.ts$/.test(path)).filter(notTheseRules)
    expect(linesMatching(virtual, /\bsetTimeout\(|\bsleep\(systemClock|timers\/promises/)).toEqual([])
  })
})

test("nothing names a machine: no registry host, no path of somebody's disk", () => {
  const lock = filesOf(/^package-lock\.json$/)
  const pattern = /"resolved": "https?:|registry\.[a-z]+js\.org|\/home\/[a-z]|\/Users\/|\/root\/|\/work\//
  expect(linesMatching([...everything, ...lock].filter(notTheseRules), pattern)).toEqual([])
})

test('a page of the documentation links only to files that are there', () => {
  const broken = filesOf(/\.md$/).flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].flatMap(([, target = '']) => {
      const file = join(ROOT, path, '..', target)
      return isThere(file) ? [] : [`${path}: ${target}`]
    }),
  )
  expect(broken).toEqual([])
})

function isThere(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EISDIR'
  }
}
