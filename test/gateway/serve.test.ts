/** `forebay init` and `forebay serve` as processes, on SQLite. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { jsonOf, postJson, startGateway, startTarget } from './running.ts'

const MAIN = new URL('../../packages/forebay/src/cli/main.ts', import.meta.url).pathname

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'forebay-serve-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

interface Command {
  readonly child: ChildProcess
  readonly exited: Promise<readonly [code: number | null, signal: string | null]>
  /** Resolves with the first match in what it has printed or prints. */
  prints(pattern: RegExp): Promise<RegExpExecArray>
  readonly printed: () => string
}

function forebay(cwd: string, ...args: readonly string[]): Command {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  let printed = ''
  const looks = new Set<() => void>()
  const hear = (chunk: Buffer) => {
    printed += chunk
    for (const look of looks) look()
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  // 'close' comes after the last of its output.
  const exited = once(child, 'close') as Promise<[number | null, string | null]>
  const prints = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(printed)
        if (!match) return
        looks.delete(look)
        resolve(match)
      }
      looks.add(look)
      look()
      void exited.then(() => reject(new Error(`It ended without printing ${pattern}: ${printed}`)))
    })
  return { child, exited, prints, printed: () => printed }
}

async function configure(path: string, queue: object, rest: object = {}): Promise<void> {
  const file = { listen: '127.0.0.1:0', storage: 'sqlite:tasks.db', allowPrivateTargets: ['127.0.0.0/8'], ...rest }
  await writeFile(
    join(path, 'forebay.yaml'),
    JSON.stringify({ ...file, queues: { orders: { rate: 1_000, ...queue } } }),
  )
}

async function serving(path: string): Promise<Command & { readonly url: string }> {
  const command = forebay(path, 'serve')
  const [, url = ''] = await command.prints(/serves at (\S+)/)
  return { ...command, url }
}

describe('forebay serve', () => {
  it('keeps what it acknowledged when it is killed, and delivers it after a restart', async () => {
    const path = await folder()
    const target = await startTarget()
    await configure(path, { target: target.url, paused: true })
    const first = await serving(path)
    expect(first.printed()).toContain(`orders: 1000/s to ${target.url}/, 8 at once, paused; 0 waiting, 0 dead.`)
    const tasks = Array.from({ length: 50 }, (_, index) => ({ payload: index, id: `t${index}` }))
    const answer = await jsonOf<{ accepted: number }>(postJson(`${first.url}/v1/queues/orders/tasks`, tasks))
    expect(answer.accepted).toBe(50)
    first.child.kill('SIGKILL')
    expect(await first.exited).toEqual([null, 'SIGKILL'])

    await configure(path, { target: target.url })
    const second = await serving(path)
    await target.has(50)
    expect(new Set(target.received.map(({ headers }) => headers['forebay-task-id'])).size).toBe(50)
    second.child.kill('SIGTERM')
    expect(await second.exited).toEqual([0, null])
    expect(second.printed()).toContain('Stopping')
  })

  it('ends at once at a second signal', async () => {
    const path = await folder()
    const target = await startTarget(() => {})
    await configure(path, { target: target.url }, { graceMs: 600_000 })
    const { child, url, prints, exited } = await serving(path)
    await postJson(`${url}/v1/queues/orders/tasks`, { payload: 1 })
    await target.has(1)
    child.kill('SIGINT')
    await prints(/Stopping/)
    child.kill('SIGINT')
    expect(await exited).toEqual([null, 'SIGINT'])
  })

  it.each([
    [
      'a field that is mistyped',
      { target: 'http://127.0.0.1:9', rat: 5 },
      {},
      2,
      /^forebay: INVALID_CONFIG: forebay\.yaml:1: queues\.orders\.rat: .* Did you mean "rate"\?\n/,
    ],
    [
      'a private target',
      { target: 'http://127.0.0.1:9' },
      { allowPrivateTargets: [] },
      2,
      /^forebay: INVALID_CONFIG: .* is not public/,
    ],
    [
      'a backend that is not there',
      { target: 'http://127.0.0.1:9' },
      { storage: 'nonsense:x' },
      2,
      /^forebay: INVALID_CONFIG: forebay\.yaml:1: storage: The backend URL has the scheme "nonsense:"/,
    ],
  ])(
    'says in a sentence what is wrong with %s, with an exit code and no stack',
    async (_what, queue, rest, code, message) => {
      const path = await folder()
      await configure(path, queue, rest)
      const { exited, printed } = forebay(path, 'serve')
      expect(await exited).toEqual([code, null])
      expect(printed()).toMatch(message)
      expect(printed()).not.toMatch(/^ +at /m)
    },
  )

  it('says when the address is taken', async () => {
    const path = await folder()
    const { port } = await startGateway({ orders: { target: 'http://127.0.0.1:9', paused: true } })
    await configure(path, { target: 'http://127.0.0.1:9' })
    const { exited, printed } = forebay(path, 'serve', '--listen', `127.0.0.1:${port}`)
    expect(await exited).toEqual([3, null])
    expect(printed()).toMatch(/^forebay: ADDRESS_IN_USE: Something else listens at 127\.0\.0\.1:\d+ already\.\n/)
  })

  it('is told where to get a configuration', async () => {
    const { exited, printed } = forebay(await folder(), 'serve')
    expect(await exited).toEqual([2, null])
    expect(printed()).toContain('"forebay init" writes one')
  })
})

it('forebay init writes what forebay serve takes, and nothing over what is there', async () => {
  const path = await folder()
  expect(await forebay(path, 'init').exited).toEqual([0, null])
  const written = await readFile(join(path, 'forebay.yaml'), 'utf8')
  const again = forebay(path, 'init')
  expect(await again.exited).toEqual([2, null])
  expect(again.printed()).toMatch(
    /^forebay: INVALID_OPTION: forebay\.yaml is there already; --force writes over it\.\n/,
  )
  expect(await readFile(join(path, 'forebay.yaml'), 'utf8')).toBe(written)
  const { child, prints, exited } = forebay(path, 'serve', '--listen', '127.0.0.1:0')
  await prints(/orders: 50\/s to http:\/\/127\.0\.0\.1:9000\/orders/)
  await prints(/serves at/)
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

it('a caller gets its answer also when another process delivers the request', async () => {
  const path = await folder()
  const target = await startTarget((_request, response) => response.end('from the other side'))
  await configure(path, { target: target.url, paused: true })
  const waiting = await serving(path)
  await configure(path, { target: target.url })
  await serving(path)
  const response = await fetch(`${waiting.url}/v1/through/orders/x`)
  expect([response.status, await response.text()]).toEqual([200, 'from the other side'])
})
