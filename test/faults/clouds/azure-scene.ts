/** A queue on the stand-in of Azure Queue Storage, behind a proxy that makes faults. */

import { randomUUID } from 'node:crypto'
import { QueueServiceClient } from '@azure/storage-queue'
import {
  type AzureQueueOptions,
  openAzureQueue,
} from '../../../packages/forebay/src/backends/azure-queue/open-azure-queue.ts'
import type { QueueService } from '../../../packages/forebay/src/backends/queue-service.ts'
import { type AzureServer, connectionStringOf, startAzureQueue } from '../../servers/azure-queue.ts'
import { type Answer, HttpFaultProxy } from '../../servers/http-fault-proxy.ts'

export class AzureScene {
  readonly proxy: HttpFaultProxy
  readonly name = `q-${randomUUID()}`
  readonly #server: AzureServer
  readonly #opened: QueueService[] = []

  private constructor(server: AzureServer, proxy: HttpFaultProxy) {
    this.#server = server
    this.proxy = proxy
  }

  static async set(server: AzureServer): Promise<AzureScene> {
    return new AzureScene(server, await HttpFaultProxy.start(server.port))
  }

  static start(): Promise<AzureServer> {
    return startAzureQueue()
  }

  /** By default with a client that tries nothing twice. */
  async open(options: AzureQueueOptions = {}, maxTries = 1) {
    const retryOptions = { maxTries, retryDelayInMs: 20, maxRetryDelayInMs: 100 }
    const client = QueueServiceClient.fromConnectionString(connectionStringOf(this.proxy.port), { retryOptions })
    const queue = await openAzureQueue({ client, queue: this.name, ...options })
    this.#opened.push(queue)
    return queue
  }

  get connectionString(): string {
    return connectionStringOf(this.proxy.port)
  }

  /** The queue itself, for what others put into it. */
  raw(name = this.name) {
    return QueueServiceClient.fromConnectionString(connectionStringOf(this.#server.port)).getQueueClient(name)
  }

  async end(): Promise<void> {
    this.proxy.heal()
    for (const queue of this.#opened) await queue.close()
    await this.proxy.stop()
  }
}

/** As Azure refuses a request. */
export function refusedByAzure(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>the test says ${code}</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml', 'x-ms-error-code': code, ...headers }, body }
}
