/** A stand-in for Amazon SQS on a port of this machine, in this process. */

import type { AddressInfo } from 'node:net'
import { SQSClient } from '@aws-sdk/client-sqs'
import { type BuildAppOptions, buildApp } from 'fauxqs'

export const REGION = 'eu-central-1'

/** The part of the stand-in's store that is used here. */
interface Store {
  processAllTimers(): void
  getQueueByName(name: string): StoredQueue | undefined
}

interface StoredQueue {
  readonly attributes: Record<string, string>
  readonly messages: StoredMessage[]
  readonly delayedMessages: StoredMessage[]
  readonly inflightMessages: Map<string, { visibilityDeadline: number; readonly message: StoredMessage }>
}

interface StoredMessage {
  readonly body: string
  readonly sentTimestamp: number
  delayUntil?: number
}

export interface SqsServer {
  readonly port: number
  readonly endpoint: string
  /** It moves what is due only when it is asked for messages, or by this. */
  lookAtClock(): void
  queue(name: string): StoredQueue
  /** All that is delayed or in flight in a queue is due now. */
  makeDue(name: string): void
  /** Takes all ready messages out of a queue. */
  take(name: string): StoredMessage[]
  stop(): Promise<void>
}

const STORE = new URL('../../node_modules/fauxqs/dist/sqs/sqsStore.js', import.meta.url).href

export async function startSqs(): Promise<SqsServer> {
  // Some credentials must be there; nobody looks at them.
  process.env.AWS_ACCESS_KEY_ID ??= 'test'
  process.env.AWS_SECRET_ACCESS_KEY ??= 'test'
  const { SqsStore } = (await import(STORE)) as { SqsStore: new () => Store }
  const store = new SqsStore()
  const stores = { sqsStore: store } as unknown as NonNullable<BuildAppOptions['stores']>
  const app = buildApp({ logger: false, defaultRegion: REGION, stores })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const stop = async () => {
    app.server.closeAllConnections()
    await app.close()
  }
  const queue = (name: string) => {
    const found = store.getQueueByName(name)
    if (!found) throw new Error(`There is no queue ${name}.`)
    return found
  }
  const makeDue = (name: string) => {
    const { delayedMessages, inflightMessages } = queue(name)
    for (const message of delayedMessages) message.delayUntil = 1
    for (const inFlight of inflightMessages.values()) inFlight.visibilityDeadline = 1
    store.processAllTimers()
  }
  const take = (name: string) => queue(name).messages.splice(0)
  const lookAtClock = () => store.processAllTimers()
  return { port, endpoint: `http://127.0.0.1:${port}`, lookAtClock, queue, makeDue, take, stop }
}

/** A client that tries nothing twice, so that a test sees each answer. */
export function clientOf(endpoint: string, maxAttempts = 1): SQSClient {
  return new SQSClient({
    region: REGION,
    endpoint,
    useQueueUrlAsEndpoint: false,
    maxAttempts,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
}
