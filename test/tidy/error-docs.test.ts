import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../packages/forebay/src/errors.ts'
import { errorDocs } from '../../scripts/error-docs.ts'
import { ROOT } from '../run-tool.ts'
import { codeOf, filesOf } from './files.ts'

test('docs/errors.md says what the registry says; npm run docs:errors writes it', () => {
  expect(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')).toBe(errorDocs())
})

test('every code of the registry is used, so that the list stays closed and short', () => {
  const product = filesOf(/^packages\/forebay\/(src|bin)\/.*\.(ts|js)$/).filter(
    ({ path }) => !path.endsWith('src/errors.ts') && !path.endsWith('.test.ts'),
  )
  const code = product.map((file) => codeOf(file).text).join('\n')
  expect(Object.keys(ERROR_CODES).filter((name) => !code.includes(name))).toEqual([])
})
