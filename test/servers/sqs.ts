/** A stand-in for Amazon SQS on a port of this machine, in this process. */

import type { AddressInfo } from 'node:net'
import { SQSClient } from '@aws-sdk/client-sqs'
import { type BuildAppOptions, buildApp } from 'fauxqs'

export const REGION = 'eu-central-1'

/** The part of the stand-in's store that tests need. */
interface Store {
  /** It moves what is due only when it is asked for messages. */
  processAllTimers(): void
  getQueueByName(name: string): { attributes: Record<string, string> } | undefined
}

export interface SqsServer {
  readonly port: number
  readonly endpoint: string
  readonly store: Store
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
  return { port, endpoint: `http://127.0.0.1:${port}`, store, stop }
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
