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
type Read = (url: string) => Promise<unknown>

const readSqlite = async (url: string) => (await import('./sqlite/sqlite-url.ts')).parseSqliteUrl(url)
const readPostgres = async (url: string) => (await import('./postgres/postgres-url.ts')).parsePostgresUrl(url)
const readNats = async (url: string) => (await import('./nats/nats-url.ts')).parseNatsUrl(url)
const readRedis: Read = async (url) => (await import('./redis/redis-url.ts')).parseRedisUrl(url)
const readRabbitmq: Read = async (url) => (await import('./rabbitmq/rabbitmq-url.ts')).parseRabbitmqUrl(url)

const redis: Open = async (url, options) => {
  const { openRedis } = await import('./redis/redis-queue-service.ts')
  return openRedis({ url, ...options })
}

const postgres: Open = async (url, options) => {
  const { openPostgres } = await import('./postgres/postgres-queue-service.ts')
  return openPostgres({ ...(await readPostgres(url)), ...options })
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
    return openSqlite({ ...(await readSqlite(url)), queue, clock })
  },
  redis,
  rediss: redis,
  postgres,
  postgresql: postgres,
  nats: async (url, options) => {
    const { openNats } = await import('./nats/nats-queue-service.ts')
    return openNats({ ...(await readNats(url)), ...options })
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

/** Which of them can be read without being opened: all that have anything behind the scheme to get wrong. */
const READS: Readonly<Record<string, Read>> = {
  sqlite: readSqlite,
  redis: readRedis,
  rediss: readRedis,
  postgres: readPostgres,
  postgresql: readPostgres,
  nats: readNats,
  'azure-queue': async (url) => (await import('./azure-queue/azure-url.ts')).parseAzureUrl(url),
  sqs: async (url) => (await import('./sqs/sqs-url.ts')).parseSqsUrl(url),
  'cloud-tasks': async (url) => (await import('./cloud-tasks/cloud-tasks-url.ts')).parseCloudTasksUrl(url),
  amqp: readRabbitmq,
  amqps: readRabbitmq,
}

/**
 * Opens the queue that a URL names, such as `memory:`.
 *
 * @throws ForebayError `INVALID_URL`, `MISSING_PACKAGE`, or whatever keeps the backend from opening.
 */
export async function openBackend(url: string, options: OpenOptions): Promise<QueueService> {
  const open = BACKENDS[schemeOf(url)] as Open
  return open(url, options)
}

/**
 * Reads a backend's URL and opens nothing, so that a fault in it is told with its place.
 *
 * @throws ForebayError `INVALID_URL`, as `openBackend` would.
 */
export async function checkBackendUrl(url: string): Promise<void> {
  await READS[schemeOf(url)]?.(url)
}

function schemeOf(url: string): string {
  const scheme = /^([a-z][a-z0-9-]*):/.exec(url)?.[1]
  if (scheme !== undefined && Object.hasOwn(BACKENDS, scheme)) return scheme
  const known = Object.keys(BACKENDS)
    .map((name) => `${name}:`)
    .join(', ')
  const what = scheme === undefined ? 'has no scheme' : `has the scheme "${scheme}:", which no backend has`
  throw new ForebayError('INVALID_URL', `The backend URL ${what}. Known are ${known}.`)
}
