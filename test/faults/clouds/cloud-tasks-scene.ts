/** A queue on the stand-in of Cloud Tasks: a proxy before its API that cuts lines, and one before the receiver that makes faults. */

import { randomUUID } from 'node:crypto'
import type { CloudTasksClient } from '@google-cloud/tasks'
import {
  type CloudTasksOptions,
  openCloudTasks,
} from '../../../packages/forebay/src/backends/cloud-tasks/open-cloud-tasks.ts'
import { openReceiver, type Receiver } from '../../../packages/forebay/src/backends/cloud-tasks/receiver.ts'
import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { type Clock, sleep, systemClock } from '../../../packages/forebay/src/clock.ts'
import { CloudTasksServer, clientAt, PARENT, SERVICE_ACCOUNT } from '../../servers/cloud-tasks.ts'
import type { FakeQueue } from '../../servers/cloud-tasks-queues.ts'
import { HttpFaultProxy } from '../../servers/http-fault-proxy.ts'
import { TcpProxy } from '../../servers/tcp-proxy.ts'

export const URL = 'cloud-tasks://shop/europe-west1'

export class CloudTasksScene {
  readonly server: CloudTasksServer
  /** Before the API. */
  readonly line: TcpProxy
  /** Before the receiver. */
  readonly front: HttpFaultProxy
  readonly client: CloudTasksClient
  readonly name = `q-${randomUUID()}`
  receiver: Receiver
  readonly #clock: Clock
  readonly #opened: QueueService[] = []

  private constructor(
    parts: { server: CloudTasksServer; line: TcpProxy; front: HttpFaultProxy; receiver: Receiver },
    clock: Clock,
  ) {
    this.server = parts.server
    this.line = parts.line
    this.front = parts.front
    this.receiver = parts.receiver
    this.client = clientAt(this.line.port)
    this.#clock = clock
  }

  static async set(clock: Clock = systemClock): Promise<CloudTasksScene> {
    const server = await CloudTasksServer.start()
    const line = await TcpProxy.start(server.port)
    const receiver = await openReceiver({ listen: { host: '127.0.0.1', port: 0 }, keys: server.mint.keys, clock })
    const front = await HttpFaultProxy.start(receiver.port ?? 0)
    return new CloudTasksScene({ server, line, front, receiver }, clock)
  }

  get target(): string {
    return `http://127.0.0.1:${this.front.port}/deliveries`
  }

  /** The receiver itself. A proxy does not pass on that the other side has gone. */
  get direct(): string {
    return `http://127.0.0.1:${this.receiver.port}/deliveries`
  }

  async open(options: CloudTasksOptions = {}) {
    const queue = await openCloudTasks({
      url: URL,
      client: this.client,
      receiver: this.receiver,
      target: this.target,
      serviceAccount: SERVICE_ACCOUNT,
      queue: this.name,
      depthEveryMs: 0,
      clock: this.#clock,
      ...options,
    })
    this.#opened.push(queue)
    return queue
  }

  /** What the stand-in holds. */
  at(suffix = ''): FakeQueue {
    return this.server.queues.get(`${PARENT}/queues/${this.name}${suffix}`)
  }

  /** A task that somebody else has made. */
  deliverRaw(text: string): void {
    const url = `${this.target}/${this.name}`
    const oidcToken = { serviceAccountEmail: SERVICE_ACCOUNT, audience: this.target }
    this.at().create({ httpRequest: { url, body: Buffer.from(text), oidcToken } })
  }

  /** The receiver's process dies and another one takes its place: what it held is cut. */
  async crash(): Promise<void> {
    const port = this.receiver.port ?? 0
    await this.receiver.close()
    const { keys } = this.server.mint
    this.receiver = await openReceiver({ listen: { host: '127.0.0.1', port }, keys, clock: this.#clock })
  }

  async end(): Promise<void> {
    this.server.fault = () => undefined
    this.front.heal()
    this.line.heal()
    for (const queue of this.#opened) await queue.close()
    await this.client.close()
    await this.front.stop()
    await this.receiver.close()
    await this.line.stop()
    await this.server.stop()
  }
}

/** Waits until something is so, in real time. */
export async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (const over = systemClock.monotonic() + 20_000; !(await is()); await sleep(systemClock, 10)) {
    if (systemClock.monotonic() > over) throw new Error('It was not so within 20 s.')
  }
}
