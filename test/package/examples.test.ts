/** Every example runs, against the built package, and prints what it says that it prints. */

import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ROOT } from '../run-tool.ts'

const EXAMPLES = join(ROOT, 'examples')

test.each(readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts')))('%s', async (name) => {
  const [, prints] = readFileSync(join(EXAMPLES, name), 'utf8').split('// Prints:\n')
  const expected = prints?.replace(/^\/\/ /gm, '')
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(EXAMPLES, name)], { timeout: 20_000 })
  expect({ stdout, stderr }).toEqual({ stdout: expected, stderr: '' })
})
