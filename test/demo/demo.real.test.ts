import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const MAIN = join(import.meta.dirname, '../../demo/main.ts')
const node = promisify(execFile)

let folder: string
let trace: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-demo-test-'))
  trace = join(folder, 'trace.csv')
  // Twice what the service can serve, for long enough that its users lose their patience.
  await writeFile(trace, 'second,requests\n0,110\n1,110\n2,110\n3,110\n')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

// Its own temporary folder, so that what it leaves behind is seen.
const demo = async (...args: string[]) => {
  const env = { ...process.env, TMPDIR: folder, NO_COLOR: '1' }
  return node(process.execPath, [MAIN, '--trace', trace, '--speed', '1', '--once', ...args], { env })
}
const leftBehind = async () =>
  (await readdir(folder)).filter((name) => name.startsWith('forebay-demo-') && name !== 'trace.csv')

// It keeps its promises in real time, which a machine that is busy with something else can spoil: then once more.
it('shows what a level rate is worth, in figures and nothing else', { timeout: 120_000, retry: 2 }, async () => {
  const svg = join(folder, 'picture.svg')
  const { stdout } = await demo('--json', '--svg', svg)
  const { direct, leveled } = JSON.parse(stdout)
  expect(direct.failed).toBeGreaterThan(0.2 * direct.offered)
  expect(leveled).toMatchObject({ offered: 440, accepted: 440, completed: 440, failed: 0, dead: 0, lost: 0, rate: 45 })
  expect(leveled.maxStarts.in1s).toBeLessThanOrEqual(46)
  expect(await readFile(svg, 'utf8')).toContain('440 of 440 served')
  expect(await leftBehind()).toEqual([])
})

// What was under way at the kill is granted again when its lease of half a minute has ended.
it('loses nothing that was acknowledged when the gateway is killed', { timeout: 120_000, retry: 0 }, async () => {
  const { stdout } = await demo('--kill')
  expect(stdout).toContain('kill -9')
  expect(stdout).toMatch(/✓ 440 acknowledged, 440 of them reached the service, 440 were served, 0 lost/)
  expect(await leftBehind()).toEqual([])
})

// Only Linux tells where a process works.
it.runIf(process.platform === 'linux')(
  'leaves no process and no file behind when it is ended in the middle',
  async () => {
    const env = { ...process.env, TMPDIR: folder }
    const running = spawn(process.execPath, [MAIN, '--trace', trace, '--speed', '1'], { env })
    running.stderr.resume()
    // When it tells where the live page is, all its processes run.
    let page: string | undefined
    for await (const line of createInterface({ input: running.stdout })) {
      page = /live page: (\S+)/.exec(line)?.[1]
      if (page) break
    }
    expect((await fetch(new URL('/healthz', page))).status).toBe(200)
    expect(await processesIn(folder)).toBeGreaterThan(0)
    running.kill('SIGINT')
    await once(running, 'exit')
    await expect(fetch(new URL('/healthz', page))).rejects.toThrow()
    expect(await processesIn(folder)).toBe(0)
    expect(await leftBehind()).toEqual([])
  },
)

/** How many processes work in this folder: the demo's children do, in a folder of their own below it. */
async function processesIn(where: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return folders.filter((cwd) => cwd.startsWith(where)).length
}
