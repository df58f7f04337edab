/** What the fault tests of the sqlite backend share: a folder, its producer, and what the file holds afterwards. */

import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { openSqlite, type SqliteQueueService } from '../../packages/forebay/src/backends/sqlite/sqlite-queue-service.ts'
import type { NewTask } from '../../packages/forebay/src/backends/queue-service.ts'

const ENQUEUER = fileURLToPath(new URL('./sqlite-enqueuer.process.ts', import.meta.url))

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Done after the test, the last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-faults-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function open(path: string, more: { lockWaitMs?: number } = {}): Promise<SqliteQueueService> {
  const queue = await openSqlite({ path, ...more })
  afterwards(() => queue.close())
  return queue
}

export function task(id: string, payload = '1'): NewTask {
  return { id, type: 'charge', payload, priority: 0, delayMs: 0 }
}

/** Starts the producer, perhaps under another program such as strace. */
export function spawnEnqueuer(
  args: readonly string[],
  under: readonly string[] = [],
): ChildProcessByStdio<null, Readable, null> {
  const [program = process.execPath, ...rest] = [...under, process.execPath, ENQUEUER, ...args]
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** The ids of all tasks that wait, by claiming them. */
export async function drain(queue: SqliteQueueService): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const claims = await queue.claim({ max: 1_000, leaseMs: 60_000, waitMs: 0 })
    if (claims.length === 0) return ids
    ids.push(...claims.map(({ id }) => id))
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  }
}

/** Whether strace works here; it may be missing, or tracing forbidden. */
export function canTrace(): boolean {
  return spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0
}
