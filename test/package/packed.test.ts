/** The package as users get it: packed, looked at by the tools of the trade, unpacked beside its dependencies and used. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT, runTool } from '../run-tool.ts'

const PACKAGE = join(ROOT, 'packages/forebay')
const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))

let folder: string
let tarball: string
/** The package's files, as unpacked in a project's node_modules. */
let installed: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'forebay-package-'))
  // `npm test` has built it; building it anew here would pull it from under other tests.
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: PACKAGE, stdio: 'pipe' })
  tarball = join(folder, `forebay-${manifest.version}.tgz`)
  installed = join(folder, 'project/node_modules/forebay')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  // Its dependencies are those of the workspace, each by its own name.
  const modules = join(ROOT, 'node_modules')
  for (const name of readdirSync(modules)) {
    if (name !== 'forebay' && !name.startsWith('.')) symlinkSync(join(modules, name), join(installed, '..', name))
  }
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('publint finds nothing', async () => {
  const { code, output } = await runTool('publint', ['run', tarball, '--strict'])
  expect(code, output).toBe(0)
})

test('its types resolve', async () => {
  const { code, output } = await runTool('attw', [tarball, '--profile', 'esm-only', '--no-emoji'])
  expect(code, output).toBe(0)
})

test('it holds what users need and nothing else', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  for (const needed of [
    'LICENSE',
    'README.md',
    'package.json',
    'bin/forebay.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/page/index.html',
  ]) {
    expect(files).toContain(needed)
  }
  expect(files.filter((file) => /\.test\.|\.map$|^src|tsconfig|-stamp/.test(file))).toEqual([])
})

test('a Node that is too old gets one sentence and exit code 2', () => {
  const old = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } })'
  for (const script of [join(installed, 'bin/forebay.js'), join(ROOT, 'scripts/check-node.js')]) {
    const run = spawnSync(process.execPath, ['--import', `data:text/javascript,${old}`, script], { encoding: 'utf8' })
    expect(run).toMatchObject({ status: 2, stdout: '' })
    expect(run.stderr).toMatch(/^.*needs Node 22 or later.*\n$/)
  }
})

test('a project can import it and use it', () => {
  const script = `
    import { LoadLevelingQueue, LeveledConsumer } from 'forebay'
    const queue = await LoadLevelingQueue.open('memory:')
    await queue.enqueue({ type: 'greet', payload: 'world' })
    const consumer = new LeveledConsumer(queue, async (task) => {
      console.log('hello', task.payload)
    })
    const done = new Promise((resolve) => consumer.on('completed', resolve))
    await consumer.start()
    await done
    await consumer.stop()
    await queue.close()`
  const project = join(folder, 'project')
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: project, encoding: 'utf8' })
  expect(run).toMatchObject({ status: 0, stdout: 'hello world\n', stderr: '' })
})

test('its command says its version', () => {
  const run = spawnSync(process.execPath, [join(installed, 'bin/forebay.js'), '--version'], { encoding: 'utf8' })
  expect(run).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: '' })
})
