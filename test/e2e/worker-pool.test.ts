/** Pools of real worker processes on SQLite: a crash, a drain, down to none and back; and `forebay work --autoscale` as a whole. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LoadLevelingQueue, seededRandom, systemClock } from '../../packages/forebay/src/index.ts'
import { type WorkerPoolEvents, WorkerPool } from '../../packages/forebay/src/scaling/worker-pool.ts'
import { forkWorker } from '../../packages/forebay/src/scaling/worker-process.ts'

const MAIN = join(import.meta.dirname, '../../packages/forebay/src/cli/main.ts')
const HANDLER = join(import.meta.dirname, 'pooled-handler.mjs')

interface Scene {
  readonly queue: LoadLevelingQueue
  readonly path: string
  readonly env: NodeJS.ProcessEnv
  /** Which tasks began or ended, in order, once for each time. */
  noted(what: 'begin' | 'end'): Promise<number[]>
  fill(payloads: readonly object[]): Promise<void>
}

async function scene(): Promise<Scene> {
  const path = await mkdtemp(join(tmpdir(), 'forebay-pool-'))
  const queue = await LoadLevelingQueue.open(`sqlite:${path}/tasks.db`)
  onTestFinished(async () => {
    await queue.close()
    await rm(path, { recursive: true })
  })
  const log = join(path, 'log')
  await writeFile(log, '')
  return {
    queue,
    path,
    env: { ...process.env, LOG: log },
    noted: async (what) => {
      const lines = (await readFile(log, 'utf8')).split('\n').map((line) => line.split(' '))
      return lines.filter(([word]) => word === what).map(([, n]) => Number(n))
    },
    fill: async (payloads) => {
      await queue.enqueueMany(payloads.map((payload, n) => ({ type: 'note', payload: { n, ...payload } })))
    },
  }
}

function poolOn({ path, env }: Scene) {
  const args = ['work', `sqlite:${path}/tasks.db`, HANDLER]
  const backoff = { baseMs: 200, capMs: 1_000 }
  const start = () => forkWorker({ file: MAIN, args, env })
  const pool = new WorkerPool({ clock: systemClock, random: seededRandom(3), start, backoff })
  onTestFinished(() => pool.stop({ graceMs: 0 }))
  const events: string[] = []
  for (const name of ['started', 'ready', 'draining', 'ended', 'broken'] as const)
    pool.on(name, () => events.push(name))
  return { pool, events }
}

/** Resolves when it holds. What other processes do is not told: it is looked for. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => systemClock.after(50, () => resolve(undefined)))
}

const isEmpty = async ({ queue }: Scene) => {
  const { ready, delayed, inFlight } = await queue.depth()
  return ready + delayed + inFlight === 0
}
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('a pool of processes', () => {
  it('starts a broken one again after a backoff; its task runs again, and no other', async () => {
    const here = await scene()
    await here.fill(upTo(20).map((n) => (n === 7 ? { crash: true, ms: 300 } : { ms: 20 })))
    const { pool, events } = poolOn(here)
    const broken = new Promise<WorkerPoolEvents['broken']>((resolve) => pool.on('broken', resolve))
    pool.scaleTo(2)
    const { how, retryInMs } = await broken
    expect(how).toBe('code 7')
    expect(retryInMs).toBeLessThan(200)
    expect(pool.workers().ready + pool.workers().starting).toBe(2)
    await until(() => isEmpty(here))
    await until(() => pool.workers().ready === 2)
    expect(sorted(await here.noted('end'))).toEqual(upTo(20))
    expect(sorted(await here.noted('begin'))).toEqual(sorted([...upTo(20), 7]))
    expect(pool.work().serviceMs).toBeGreaterThan(0)
    expect(events.filter((name) => name === 'started')).toHaveLength(3)
  })

  it('drains when it gets smaller: no task is lost, none runs twice; from none it comes back', async () => {
    const here = await scene()
    const gate = join(here.path, 'gate')
    await here.fill([{ until: gate }, { until: gate }, { until: gate }])
    const { pool, events } = poolOn(here)
    pool.scaleTo(3)
    await until(async () => (await here.noted('begin')).length === 3)
    pool.scaleTo(0)
    expect(pool.workers()).toEqual({ ready: 0, starting: 0 })
    expect(pool.draining).toBe(3)
    // Longer than their lease: they keep it while they finish.
    await new Promise((resolve) => systemClock.after(1_500, () => resolve(undefined)))
    expect([pool.draining, await here.noted('end')]).toEqual([3, []])
    await here.fill([{ n: 3 }, { n: 4 }])
    await writeFile(gate, '')
    await until(() => pool.draining === 0)
    expect(sorted(await here.noted('begin'))).toEqual([0, 1, 2])
    expect((await here.queue.depth()).ready).toBe(2)
    pool.scaleTo(1)
    await until(() => isEmpty(here))
    expect(sorted(await here.noted('end'))).toEqual(upTo(5))
    expect(sorted(await here.noted('begin'))).toEqual(upTo(5))
    await pool.stop()
    expect(events).not.toContain('broken')
    expect(events.filter((name) => name === 'ended')).toHaveLength(4)
  })

  it('that is told to stop kills what does not end within its grace; another process runs the task again', async () => {
    const here = await scene()
    const gate = join(here.path, 'gate')
    await here.fill([{ until: gate }])
    const { pool } = poolOn(here)
    pool.scaleTo(1)
    await until(async () => (await here.noted('begin')).length === 1)
    await pool.stop({ graceMs: 100 })
    expect(await here.noted('end')).toEqual([])
    await writeFile(gate, '')
    const next = poolOn(here).pool
    next.scaleTo(1)
    await until(() => isEmpty(here))
    expect(await here.noted('end')).toEqual([0])
  })
})

it('forebay work --autoscale: up on a backlog, down to none, and back; each change with its reason', async () => {
  const here = await scene()
  await here.fill(upTo(120).map(() => ({ ms: 100 })))
  const flags = ['--autoscale', '0..3', '--p99-wait', '4s', '--control', '500ms', '--start-up', '500ms']
  const args = [MAIN, 'work', `sqlite:${here.path}/tasks.db`, HANDLER, ...flags]
  const child = spawn(process.execPath, args, { env: here.env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk))
  const closed = once(child, 'close')

  await until(() => /0 workers: 0 tasks waiting, .* none is needed\./.test(printed))
  expect(printed).toMatch(
    /0 -> 1 workers: \d+ tasks waiting, and no service time was measured yet: one worker, to measure it\./,
  )
  expect(printed).toMatch(
    /1 -> 3 workers: \d+ tasks due within [\d.]+ s, of which 1 worker can serve \d+: \d+ more\. The maximum is 3\./,
  )
  // Those that drain may still be at their last tasks.
  await until(() => isEmpty(here))
  expect(sorted(await here.noted('end'))).toEqual(upTo(120))
  expect(sorted(await here.noted('begin'))).toEqual(upTo(120))

  const before = printed.length
  await here.fill([{ n: 120, ms: 10 }])
  await until(() => /0 -> 1 workers: /.test(printed.slice(before)))
  await until(async () => (await here.noted('end')).length === 121)
  child.kill('SIGTERM')
  expect(await closed).toEqual([0, null])
  expect(printed).not.toMatch(/broke/)
})
