import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MUTATIONS, WITHOUT_CODE } from '../../scripts/mutations/list.ts'
import { ROOT } from '../run-tool.ts'

const FLOW = join(ROOT, 'packages/forebay/src/flow')
const files = readdirSync(FLOW).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))

test('every file of flow/ has mutations; npm run mutations applies them', () => {
  const mutated = new Set(MUTATIONS.map(({ file }) => file))
  expect(files.filter((file) => !mutated.has(file) && !WITHOUT_CODE.includes(file))).toEqual([])
})

test('what a mutation changes is in its file, once', () => {
  const found = ({ file, from }: (typeof MUTATIONS)[number]) =>
    readFileSync(join(FLOW, file), 'utf8').split(from).length - 1
  expect(MUTATIONS.filter((mutation) => found(mutation) !== 1)).toEqual([])
})
