/** What the fault tests of the redis backend share: a server of their own, queues on it, processes that use it, and their traces. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterEach } from 'vitest'
import {
  openRedis,
  type RedisOptions,
  type RedisQueueService,
} from '../../packages/forebay/src/backends/redis/redis-queue-service.ts'
import type { NewTask } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { RedisServer } from '../servers/redis.ts'

const WORKER = fileURLToPath(new URL('./redis-worker.process.ts', import.meta.url))

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Done after the test, the last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

export async function startServer(...settings: string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-faults-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  const server = await RedisServer.start(folder, settings)
  afterwards(() => server.stop())
  return server
}

/** Whose log survives every end, as README.md says. */
export const SYNCED = ['--appendonly', 'yes', '--appendfsync', 'always'] as const

export async function open(url: string, more: Partial<RedisOptions> = {}): Promise<RedisQueueService> {
  const queue = await openRedis({ url, queue: 'faults', ...more })
  afterwards(() => queue.close())
  return queue
}

/** A client of the test's own, to do to the server what is not the backend's business. */
export function admin(server: RedisServer): Redis {
  const client = new Redis(server.port, '127.0.0.1', { lazyConnect: false, maxRetriesPerRequest: null })
  client.on('error', () => {})
  afterwards(() => client.disconnect())
  return client
}

export function task(id: string, fields: Partial<NewTask> = {}): NewTask {
  return { id, type: 'charge', payload: '1', priority: 0, delayMs: 0, ...fields }
}

/** The error's code; fails if there is none. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
  } catch (thrown) {
    return (thrown as { code?: string }).code
  }
  throw new Error('It was to be rejected.')
}

/** Tries until it resolves; answers how long that took, milliseconds. */
export async function untilItWorks(act: () => Promise<unknown>): Promise<number> {
  const start = systemClock.monotonic()
  for (;;) {
    try {
      await act()
      return systemClock.monotonic() - start
    } catch {
      await sleep(systemClock, 20)
    }
  }
}

/** A process of redis-worker.process.ts. */
export class Worker {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  readonly #onLine: (line: string) => void
  readonly #ended: Promise<unknown>

  constructor(args: readonly string[], onLine: (line: string) => void) {
    this.process = spawn(process.execPath, [WORKER, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#onLine = onLine
    this.#ended = Promise.all([once(this.process, 'exit'), this.#read()])
    afterwards(() => this.kill())
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#ended
  }

  /** Tells it to go no further; it ends by itself. */
  async finish(): Promise<void> {
    this.process.stdin.end()
    await this.#ended
  }

  async #read(): Promise<void> {
    for await (const line of createInterface({ input: this.process.stdout })) this.#onLine(line)
  }
}
