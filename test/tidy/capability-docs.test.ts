import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { capabilityDocs } from '../../scripts/capability-docs.ts'
import { ROOT } from '../run-tool.ts'

test('docs/backends.md says what the backends declare; npm run docs:capabilities writes it', () => {
  expect(readFileSync(join(ROOT, 'docs/backends.md'), 'utf8')).toBe(capabilityDocs())
})
