/** What the fault tests of the postgres backend share: a server of their own, its queue, and processes that work on it. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import {
  openPostgres,
  type PostgresOptions,
  type PostgresQueueService,
} from '../../packages/forebay/src/backends/postgres/postgres-queue-service.ts'
import type { NewTask, QueueService } from '../../packages/forebay/src/backends/queue-service.ts'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { PostgresServer, type PostgresSettings } from '../servers/postgres.ts'

const WORKER = fileURLToPath(new URL('./postgres-worker.process.ts', import.meta.url))

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Done after the test, the last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

export async function startServer(settings: PostgresSettings = {}): Promise<PostgresServer> {
  const server = await PostgresServer.start(settings)
  afterwards(() => server.stop())
  return server
}

export async function open(options: PostgresOptions): Promise<PostgresQueueService> {
  const queue = await openPostgres(options)
  afterwards(() => queue.close())
  return queue
}

export function task(id: string, more: Partial<NewTask> = {}): NewTask {
  return { id, type: 'charge', payload: '1', priority: 0, delayMs: 0, ...more }
}

/** The port of the URL is another one: that of a proxy. */
export function atPort(url: string, port: number): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href
}

export function spawnWorker(...args: string[]): ChildProcessByStdio<Writable, Readable, null> {
  const child = spawn(process.execPath, [WORKER, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  afterwards(() => child.kill('SIGKILL'))
  return child
}

/** The ids of all tasks that wait, by claiming and completing them. */
export async function drain(queue: QueueService): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const claims = await queue.claim({ max: 1_000, leaseMs: 60_000, waitMs: 0 })
    if (claims.length === 0) return ids
    ids.push(...claims.map(({ id }) => id))
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  }
}

/** The code that it rejects with; undefined if it resolves. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (thrown) {
    return thrown instanceof ForebayError ? thrown.code : String(thrown)
  }
}
