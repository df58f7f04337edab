import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metricDocs } from '../../scripts/metric-docs.ts'
import { ROOT } from '../run-tool.ts'

test('docs/metrics.md says what the registry declares; npm run docs:metrics writes it', () => {
  expect(readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')).toBe(metricDocs())
})
