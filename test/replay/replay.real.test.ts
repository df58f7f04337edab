import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { openSink } from '../../packages/forebay/src/replay/sink.ts'

const MAIN = join(import.meta.dirname, '../../packages/forebay/src/cli/main.ts')
const node = promisify(execFile)

let folder: string
let trace: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-replay-'))
  trace = join(folder, 'trace.csv')
  // 60 requests in the first second, then 10: at 40 a second, a backlog and its end.
  await writeFile(trace, 'second,requests\n0,60\n1,10\n')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const replay = async (...args: string[]) => {
  const { stdout, stderr } = await node(process.execPath, [MAIN, 'replay', trace, ...args])
  return { stdout, stderr }
}

it('levels a load through a queue of its own, and prints its figures and nothing else', async () => {
  const { stdout } = await replay('--queue', 'memory:', '--rate', '40', '--json')
  const figures = JSON.parse(stdout)
  expect(figures).toMatchObject({
    offered: 70,
    accepted: 70,
    completed: 70,
    refused: 0,
    failed: 0,
    dead: 0,
    lost: 0,
    rate: 40,
  })
  expect(figures.maxStarts.in1s).toBeLessThanOrEqual(41)
  expect(figures.waitMs.p99).toBeLessThanOrEqual(figures.fluidWaitMs.p99 * 1.02 + 50)
  expect(figures.waitMs.mean).toBeGreaterThan(figures.fluidWaitMs.mean - 5)
})

it('draws the picture for people', async () => {
  const { stdout } = await replay('--queue', 'memory:', '--rate', '40', '--speed', '2')
  expect(stdout).toContain('input/s')
  expect(stdout).toContain('70 completed')
  expect(stdout).not.toContain('\u001b')
})

it('replays straight at a target, whose log tells when requests came', async () => {
  const sink = await openSink(systemClock)
  try {
    const { stdout } = await replay('--target', sink.url, '--speed', '2', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      offered: 70,
      completed: 70,
      failed: 0,
      rate: null,
      maxStarts: { in1s: null },
    })
  } finally {
    await sink.close()
  }
})

it('counts what a target does not answer as failed', async () => {
  const sink = await openSink(systemClock)
  await sink.close()
  const { stdout } = await replay('--target', sink.url, '--speed', '10', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ offered: 70, completed: 0, failed: 70, lost: 0 })
})

it('ends in order when it is interrupted', async () => {
  const running = spawn(process.execPath, [MAIN, 'replay', trace, '--queue', 'memory:', '--rate', '1'])
  let said = ''
  running.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exit = once(running, 'exit')
  // It replays by then; an earlier signal would meet a Node that still starts.
  await sleep(systemClock, 1_500)
  running.kill('SIGINT')
  expect(await exit).toEqual([130, null])
  expect(said).toBe('forebay: The replay was stopped before its end; there are no figures.\n')
})
