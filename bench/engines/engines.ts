/** The engines to compare: each on a server of our own on a private port, in a temporary folder, or on a stand-in. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connectionStringOf, startAzureQueue } from '../../test/servers/azure-queue.ts'
import { haveNats, NatsServer } from '../../test/servers/nats.ts'
import { PostgresServer, whyNoPostgres } from '../../test/servers/postgres.ts'
import { noRabbitmq, OwnRabbitmq } from '../../test/servers/rabbitmq.ts'
import { haveRedis, RedisServer } from '../../test/servers/redis.ts'
import { REGION, startSqs } from '../../test/servers/sqs.ts'

export interface Running {
  /** Undefined for an engine of which a URL can't tell where its stand-in is: `program` replays by itself. */
  readonly url?: string
  readonly program?: string
  /** What the backend finds in the environment and not in its URL. */
  readonly env?: Readonly<Record<string, string>>
  stop(): Promise<void> | void
}

export interface Engine {
  readonly name: string
  /** Undefined, said aloud, where it cannot run. */
  start(folder: string): Promise<Running | undefined>
}

const nothing = () => undefined

async function made(folder: string): Promise<string> {
  await mkdir(folder)
  return folder
}

export const ENGINES: readonly Engine[] = [
  { name: 'memory', start: async () => ({ url: 'memory:', stop: nothing }) },
  {
    name: 'sqlite',
    start: async (folder) => ({ url: `sqlite:${join(await made(folder), 'queue.db')}`, stop: nothing }),
  },
  {
    name: 'redis',
    start: async (folder) => {
      if (!haveRedis('the replay on Redis')) return undefined
      const settings = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']
      const server = await RedisServer.start(await made(folder), settings)
      return { url: server.url, stop: () => server.stop() }
    },
  },
  {
    name: 'postgres',
    start: async () => {
      const why = whyNoPostgres()
      if (why !== undefined) return void console.error(`SKIPPED: the replay on PostgreSQL, because ${why}`)
      const server = await PostgresServer.start()
      return { url: server.url, stop: () => server.stop() }
    },
  },
  {
    name: 'rabbitmq',
    start: async () => {
      if (noRabbitmq('the replay on RabbitMQ', true) !== undefined) return undefined
      const server = await OwnRabbitmq.start()
      return { url: server.url, stop: () => server.stop() }
    },
  },
  {
    name: 'nats',
    start: async (folder) => {
      if (!haveNats('the replay on NATS')) return undefined
      const server = await NatsServer.start(await made(folder))
      return { url: `nats://127.0.0.1:${server.port}`, stop: () => server.stop() }
    },
  },
  {
    name: 'sqs (a stand-in)',
    start: async () => {
      const { endpoint, stop } = await startSqs()
      const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
      return { url: `sqs://${REGION}/?endpoint=${endpoint}`, env, stop }
    },
  },
  {
    name: 'azure-queue (a stand-in)',
    start: async () => {
      const { port, stop } = await startAzureQueue()
      return { url: 'azure-queue:', env: { AZURE_STORAGE_CONNECTION_STRING: connectionStringOf(port) }, stop }
    },
  },
  { name: 'cloud-tasks (a stand-in)', start: async () => ({ program: 'cloud-tasks.process.ts', stop: nothing }) },
]
