/** The tools that judge the whole tree. Each can be run alone: npm run lint, types, imports, dead-code. */

import { expect, test } from 'vitest'
import { runTool } from '../run-tool.ts'

test.each([
  ['format and lint', 'biome', ['ci', '--colors=off', '--max-diagnostics=50']],
  ['types of the package', 'tsc', ['-p', 'packages/forebay']],
  ['types of the page', 'tsc', ['-p', 'packages/page']],
  ['types of the browser tests', 'tsc', ['-p', 'test/browser']],
  ['types of the other tests, scripts, examples and demo', 'tsc', []],
  ['import matrix', 'depcruise', ['packages/forebay/src']],
  ['dead code and undeclared packages', 'knip', []],
])('%s', async (_what, tool, args) => {
  const { code, output } = await runTool(tool, args)
  expect(code, output).toBe(0)
})
