/** What the fault tests of the nats backend share: a server, queues on it, and consumers in processes of their own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import {
  type NatsOptions,
  type NatsQueueService,
  openNats,
} from '../../packages/forebay/src/backends/nats/nats-queue-service.ts'
import type { Claim, NewTask } from '../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../packages/forebay/src/clock.ts'
import { ForebayError } from '../../packages/forebay/src/errors.ts'
import { FAST_FOLDER, NatsServer } from '../servers/nats.ts'

const CONSUMER = fileURLToPath(new URL('./nats-consumer.process.ts', import.meta.url))

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Done after the test, the last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

export function newFolder(): string {
  const folder = mkdtempSync(join(FAST_FOLDER, 'forebay-faults-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @param jetstream Settings of JetStream. */
export async function startServer(jetstream = '', folder = newFolder()): Promise<NatsServer> {
  const server = await NatsServer.start(folder, jetstream)
  afterwards(() => server.stop())
  return server
}

export async function open(port: number, more: Partial<NatsOptions> = {}): Promise<NatsQueueService> {
  const queue = await openNats({ servers: [`127.0.0.1:${port}`], queue: 'orders', ...more })
  afterwards(() => queue.close())
  return queue
}

export function task(id: string, more: Partial<NewTask> = {}): NewTask {
  return { id, type: 'charge', payload: '1', priority: 0, delayMs: 0, ...more }
}

export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof ForebayError ? thrown.code : undefined
}

/** Tries again until it succeeds; answers how often it did not. */
export async function insist(act: () => Promise<unknown>, withinMs = 20_000): Promise<number> {
  const until = systemClock.monotonic() + withinMs
  for (let failed = 0; ; failed++) {
    try {
      await act()
      return failed
    } catch (thrown) {
      if (codeOf(thrown) !== 'BACKEND_UNAVAILABLE' || systemClock.monotonic() > until) throw thrown
      await sleep(systemClock, 20)
    }
  }
}

/** Claims one task, which must come. */
export async function claimOne(queue: NatsQueueService, leaseMs = 60_000, waitMs = 10_000): Promise<Claim> {
  const [claim] = await queue.claim({ max: 1, leaseMs, waitMs })
  if (!claim) throw new Error(`No task came within ${waitMs} ms.`)
  return claim
}

/** The ids of all tasks that are ready, by claiming and completing them. */
export async function drain(queue: NatsQueueService): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const claims = await queue.claim({ max: 100, leaseMs: 60_000, waitMs: 0 })
    if (claims.length === 0) return ids
    ids.push(...claims.map(({ id }) => id))
    await queue.settle(claims.map((claim) => ({ claim, outcome: 'complete' })))
  }
}

/** What a consumer in a process of its own did: words of one line, as it wrote them. */
export interface ConsumerProcess {
  readonly process: ChildProcess
  /** Resolves when it has claimed for the first time. */
  readonly begun: Promise<unknown>
}

/** @param workMs How long it works on a task, at most. */
export function startConsumer(
  port: number,
  { leaseMs, seed = 1, workMs = 30 }: { readonly leaseMs: number; readonly seed?: number; readonly workMs?: number },
  onLine: (words: string[]) => void,
): ConsumerProcess {
  const args = [CONSUMER, ...[port, leaseMs, seed, workMs].map(String)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => onLine(line.split(' ')))
  afterwards(() => child.kill('SIGKILL'))
  return { process: child, begun: once(lines, 'line') }
}
