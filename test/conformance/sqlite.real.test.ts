/** How soon an idle consumer has a new task on the real clock, and what its waiting costs. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqlite, type SqliteQueueService } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'

const ROUNDS = 60
/** Between two tasks, so that each finds the consumer idle. */
const IDLE_MS = 15

let folder: string
let path: string
let queue: SqliteQueueService

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-wake-'))
  path = join(folder, 'queue.db')
  queue = await openSqlite({ path })
})

afterEach(async () => {
  await queue.close()
  await rm(folder, { recursive: true })
})

/** The median time from the push to the grant of a parked claim, milliseconds. */
async function medianPickUp(push: (id: string) => void): Promise<number> {
  const took: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const parked = queue.claim({ max: 1, leaseMs: 30_000, waitMs: 30_000 })
    await sleep(systemClock, IDLE_MS)
    const start = systemClock.monotonic()
    push(`task ${round}`)
    const [claim] = await parked
    took.push(systemClock.monotonic() - start)
    expect(claim?.id).toBe(`task ${round}`)
    await queue.settle(claim ? [{ claim, outcome: 'complete' }] : [])
  }
  return took.sort((a, b) => a - b)[ROUNDS / 2] as number
}

test('an idle consumer has a task of its own process in less than 5 ms at the median', async () => {
  const median = await medianPickUp((id) => {
    void queue.push([{ id, type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
  })
  expect(median).toBeLessThan(5)
})

test('an idle consumer has a task of another process in less than 25 ms at the median', async () => {
  const file = new URL('./pusher.process.ts', import.meta.url)
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, [file.pathname, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await once(child.stdout, 'data')
    const median = await medianPickUp((id) => child.stdin.write(`${id}\n`))
    expect(median).toBeLessThan(25)
  } finally {
    child.stdin.end()
    await once(child, 'exit')
  }
})

test('a parked claim costs next to no processor time', async () => {
  const controller = new AbortController()
  const parked = queue.claim({ max: 1, leaseMs: 30_000, waitMs: 60_000, signal: controller.signal })
  await queue.depth()
  // What polls does so in every span; what only the test runner or a collection of garbage costs falls into some.
  const spanMs = 600
  const shares: number[] = []
  for (let span = 0; span < 5; span++) {
    const before = process.cpuUsage()
    await sleep(systemClock, spanMs)
    const { user, system } = process.cpuUsage(before)
    shares.push((user + system) / 1_000 / spanMs)
  }
  controller.abort()
  expect(await parked).toEqual([])
  expect(shares.sort((a, b) => a - b)[2]).toBeLessThan(0.01)
})

test('a parked claim does not outlive what waits for it: an idle queue lets the process end', async () => {
  const program = `
    const { openSqlite } = await import(${JSON.stringify(
      new URL('../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts', import.meta.url).href,
    )})
    const queue = await openSqlite({ path: ${JSON.stringify(path)} })
    await queue.push([{ id: 'last', type: 'charge', payload: '1', priority: 0, delayMs: 0 }])
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
  expect((await queue.depth()).ready).toBe(1)
})
