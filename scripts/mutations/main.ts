/**
 * Proves the tests of flow/: applies one mutation after another (list.ts) to a copy of the tree and runs the tests that guard
 * the file. A mutant that no test notices, or whose source is no longer there, is a failure.
 *
 *     npm run mutations [-- pacer.ts breaker.ts]
 */

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MUTATIONS, type Mutation, TESTS } from './list.ts'

const ROOT = join(import.meta.dirname, '../..')
const SRC = 'packages/forebay/src'
/** As many copies of the tree, each with one mutant at a time. */
const SIDE_BY_SIDE = 2

function copyTree(): string {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-mutations-'))
  for (const part of ['package.json', 'vitest.config.ts', 'tsconfig.base.json', 'tsconfig.json']) {
    cpSync(join(ROOT, part), join(folder, part))
  }
  for (const part of [SRC, 'packages/forebay/package.json', 'packages/forebay/tsconfig.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Whether the tests that guard it pass. */
function testsPass(folder: string, file: string): Promise<boolean> {
  const tests = TESTS[file] ?? [`flow/${file.replace(/\.ts$/, '.test.ts')}`]
  const args = ['run', '--project', 'unit', '--bail', '1', ...tests.map((test) => `${SRC}/${test}`)]
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [vitest, ...args], { cwd: folder, stdio: 'ignore', timeout: 120_000 })
    child.once('exit', (code) => resolve(code === 0))
  })
}

async function judge(folder: string, { file, from, to }: Mutation): Promise<'killed' | 'SURVIVED' | 'NOT FOUND'> {
  const path = join(folder, SRC, 'flow', file)
  const source = readFileSync(path, 'utf8')
  if (source.split(from).length !== 2) return 'NOT FOUND'
  writeFileSync(
    path,
    source.replace(from, () => to),
  )
  try {
    return (await testsPass(folder, file)) ? 'SURVIVED' : 'killed'
  } finally {
    writeFileSync(path, source)
  }
}

const wanted = process.argv.slice(2)
const pending = MUTATIONS.filter(({ file }) => wanted.length === 0 || wanted.includes(file))
const total = pending.length
let faults = 0

async function work(folder: string): Promise<void> {
  for (let mutation = pending.shift(); mutation; mutation = pending.shift()) {
    const verdict = await judge(folder, mutation)
    if (verdict !== 'killed') faults++
    const { file, from, to } = mutation
    console.log(`${verdict.padEnd(9)} ${file}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`)
  }
}

const folders = Array.from({ length: SIDE_BY_SIDE }, copyTree)
try {
  await Promise.all(folders.map(work))
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true })
}
console.log(`${total - faults} of ${total} mutants killed`)
process.exitCode = faults > 0 ? 1 : 0
