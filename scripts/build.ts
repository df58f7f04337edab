/**
 * Builds the package: `dist` by tsc, `dist/page` by vite. What is fresh is not built again: each part keeps a stamp, the
 * hash of all that it was made from. `--force` begins with an empty `dist`. Everything it says goes to stderr, because a
 * command that prints JSON may run after it.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'packages/forebay/dist')
const SHARED_INPUTS = ['package-lock.json', 'tsconfig.base.json', 'scripts/build.ts']

interface Part {
  readonly name: string
  /** Files and folders that the result depends on. */
  readonly inputs: readonly string[]
  readonly stamp: string
  readonly command: readonly [program: string, ...args: string[]]
}

const PARTS: readonly Part[] = [
  {
    name: 'library',
    inputs: ['packages/forebay/src', 'packages/forebay/tsconfig.json', 'packages/forebay/tsconfig.build.json'],
    stamp: join(DIST, '.library-stamp'),
    command: ['tsc', '-p', 'packages/forebay/tsconfig.build.json'],
  },
  {
    name: 'page',
    inputs: [
      'packages/page/src',
      'packages/page/index.html',
      'packages/page/package.json',
      'packages/page/vite.config.ts',
    ],
    stamp: join(DIST, '.page-stamp'),
    command: ['vite', 'build', 'packages/page', '--logLevel', 'warn'],
  },
]

function filesOf(input: string): string[] {
  const path = join(ROOT, input)
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

function hashOf(part: Part): string {
  const files = [...SHARED_INPUTS, ...part.inputs].flatMap(filesOf).filter((file) => !file.endsWith('.test.ts'))
  const hash = createHash('sha256')
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(file))
  return hash.digest('hex')
}

function build(part: Part): boolean {
  const hash = hashOf(part)
  if (existsSync(part.stamp) && readFileSync(part.stamp, 'utf8') === hash) return true
  console.error(`building the ${part.name}`)
  rmSync(part.stamp, { force: true })
  const [program, ...args] = part.command
  // The tool's own stdout becomes our stderr.
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin', program), args, { cwd: ROOT, stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    console.error(`the ${part.name} was not built: ${program} ended with ${status}`)
    return false
  }
  mkdirSync(dirname(part.stamp), { recursive: true })
  writeFileSync(part.stamp, hash)
  return true
}

if (process.argv.includes('--force')) rmSync(DIST, { recursive: true, force: true })
process.exitCode = PARTS.map(build).every(Boolean) ? 0 : 1
