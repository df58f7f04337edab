/** The registry of backends: which one a URL names. Each is loaded only when it is asked for. */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { RandomSource } from '../random.ts'
import type { QueueService } from './queue-service.ts'

export interface OpenOptions {
  /** The queue's name within the backend. */
  readonly queue: string
  readonly clock: Clock
  readonly random: RandomSource
}

type Open = (url: string, options: OpenOptions) => Promise<QueueService>

const redis: Open = async (url, options) => {
  const { openRedis } = await import('./redis/redis-queue-service.ts')
  return openRedis({ url, ...options })
}

const postgres: Open = async (url, options) => {
  const { openPostgres } = await import('./postgres/postgres-queue-service.ts')
  const { parsePostgresUrl } = await import('./postgres/postgres-url.ts')
  return openPostgres({ ...parsePostgresUrl(url), ...options })
}

const rabbitmq: Open = async (url, options) => {
  const { openRabbitmq } = await import('./rabbitmq/open-rabbitmq.ts')
  return openRabbitmq({ url, ...options })
}

const BACKENDS: Readonly<Record<string, Open>> = {
  memory: async (url, { queue, clock }) => {
    const { openMemory } = await import('./memory/memory-queue-service.ts')
    const name = url.slice('memory:'.length)
    return openMemory({ queue, clock, ...(name === '' ? {} : { name }) })
  },
  sqlite: async (url, { queue, clock }) => {
    const { openSqlite } = await import('./sqlite/sqlite-queue-service.ts')
    const { parseSqliteUrl } = await import('./sqlite/sqlite-url.ts')
    return openSqlite({ ...parseSqliteUrl(url), queue, clock })
  },
  redis,
  rediss: redis,
  postgres,
  postgresql: postgres,
  nats: async (url, options) => {
    const { openNats } = await import('./nats/nats-queue-service.ts')
    const { parseNatsUrl } = await import('./nats/nats-url.ts')
    return openNats({ ...parseNatsUrl(url), ...options })
  },
  'azure-queue': async (url, options) => {
    const { openAzureQueue } = await import('./azure-queue/open-azure-queue.ts')
    return openAzureQueue({ url, ...options })
  },
  sqs: async (url, options) => {
    const { openSqs } = await import('./sqs/open-sqs.ts')
    return openSqs({ url, ...options })
  },
  'cloud-tasks': async (url, options) => {
    const { openCloudTasks } = await import('./cloud-tasks/open-cloud-tasks.ts')
    return openCloudTasks({ url, ...options })
  },
  amqp: rabbitmq,
  amqps: rabbitmq,
}

/**
 * Opens the queue that a URL names, such as `memory:`.
 *
 * @throws ForebayError `INVALID_URL`, `MISSING_PACKAGE`, or whatever keeps the backend from opening.
 */
export async function openBackend(url: string, options: OpenOptions): Promise<QueueService> {
  const scheme = /^([a-z][a-z0-9-]*):/.exec(url)?.[1]
  const open = scheme !== undefined && Object.hasOwn(BACKENDS, scheme) ? BACKENDS[scheme] : undefined
  if (open) return open(url, options)
  const known = Object.keys(BACKENDS)
    .map((name) => `${name}:`)
    .join(', ')
  const what = scheme === undefined ? 'has no scheme' : `has the scheme "${scheme}:", which no backend has`
  throw new ForebayError('INVALID_URL', `The backend URL ${what}. Known are ${known}.`)
}
