/** What the fault tests of the RabbitMQ backend share: queues of their own on one server, and what is left in them. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Connection } from 'rabbitmq-client'
import { afterEach, test } from 'vitest'
import { openRabbitmq, type RabbitmqOptions } from '../../../packages/forebay/src/backends/rabbitmq/open-rabbitmq.ts'
import type { RabbitmqQueueService } from '../../../packages/forebay/src/backends/rabbitmq/rabbitmq-queue-service.ts'
import type { Claim, NewTask, QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { TcpProxy } from '../../servers/tcp-proxy.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Done after the test, the last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

let queues = 0

export function newName(): string {
  return `faults-${process.pid}-${++queues}`
}

export async function open(options: RabbitmqOptions): Promise<RabbitmqQueueService> {
  const queue = await openRabbitmq(options)
  afterwards(() => queue.close())
  return queue
}

/** A plain connection of the client, to do what we never do. */
export function plainConnection(url: string): Connection {
  const connection = new Connection({ url, noDelay: true })
  connection.on('error', () => undefined)
  afterwards(() => connection.close())
  return connection
}

export function task(id: string, more: Partial<NewTask> = {}): NewTask {
  return { id, type: 'charge', payload: '1', priority: 0, delayMs: 0, ...more }
}

export function claim(queue: QueueService, max = 100, waitMs = 0, leaseMs = 60_000): Promise<Claim[]> {
  return queue.claim({ max, leaseMs, waitMs })
}

export async function complete(queue: QueueService, claims: readonly Claim[]): Promise<string[]> {
  const results = await queue.settle(claims.map((one) => ({ claim: one, outcome: 'complete' })))
  return results.map(({ status }) => status)
}

/** Asks again until the answer is what is waited for; `what` names it if it never is. */
export async function until(what: string, ask: () => Promise<boolean> | boolean, withinMs = 20_000): Promise<void> {
  for (const end = systemClock.monotonic() + withinMs; !(await ask()); await sleep(systemClock, 20)) {
    if (systemClock.monotonic() > end) throw new Error(`${what}: not within ${withinMs} ms`)
  }
}

/** What the promise was rejected with. */
export async function errorOf(work: Promise<unknown>): Promise<{ readonly code?: string; readonly message: string }> {
  try {
    await work
  } catch (thrown) {
    return thrown as Error
  }
  throw new Error('it was not rejected')
}

/** A test that needs the server; skipped, with the reason, where there is none. */
export function serverTest(none: string | undefined, name: string, run: () => Promise<void>): void {
  test(name, async ({ skip }) => {
    if (none !== undefined) return skip(none)
    await run()
  })
}

export async function proxied(
  port: number,
  heartbeatS = 10,
): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const proxy = await TcpProxy.start(port)
  afterwards(() => proxy.stop())
  return { proxy, url: `amqp://guest:guest@127.0.0.1:${proxy.port}?heartbeat=${heartbeatS}` }
}

const HOLDER = fileURLToPath(new URL('./holder.process.ts', import.meta.url))

/** Another process that claims a task and keeps it. */
export class Holder {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(url: string, queue: string, leaseMs: number) {
    this.process = spawn(process.execPath, [HOLDER, url, queue, String(leaseMs)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
    afterwards(() => this.process.kill('SIGKILL'))
  }

  /** The next line that it prints. */
  async line(): Promise<string> {
    const { value } = await this.#lines.next()
    return value
  }

  async kill(): Promise<void> {
    const gone = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await gone
  }
}
