/** Opens a queue at Azure Queue Storage: finds or makes it and the queue of its dead letters. */

import type { QueueServiceClient } from '@azure/storage-queue'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { BlobStore } from '../blob-store.ts'
import { fromAzure } from './azure-errors.ts'
import { AzureQueueService } from './azure-queue-service.ts'
import { type AzureCredential, makeClient } from './azure-sdk.ts'
import { AzureStorageQueue } from './azure-storage-queue.ts'
import { type Encoding, parseAzureUrl } from './azure-url.ts'

export interface AzureQueueOptions {
  /** `azure-queue://ACCOUNT/PREFIX`; see the README for its parameters. Default: `azure-queue:`. */
  readonly url?: string
  /** A client of your own; then the URL's account is not used. */
  readonly client?: QueueServiceClient
  /** Default: `AZURE_STORAGE_CONNECTION_STRING` of the environment, if the URL names no account. */
  readonly connectionString?: string
  /** Default: `DefaultAzureCredential` of the package `@azure/identity`: managed identity and what else it knows. */
  readonly credential?: AzureCredential
  /** Default `default`. At Azure it is called so after the URL's prefix: small letters, digits and "-". */
  readonly queue?: string
  /** Makes queues that are missing. Default: as the URL says, or else true. */
  readonly create?: boolean
  /** How messages are written. Default: as the URL says, or else `base64`. */
  readonly encoding?: Encoding
  /** The longest pause between two questions of an idle consumer, milliseconds. Default 10,000. */
  readonly longestPauseMs?: number
  /** Takes payloads that are too large for a message. Default: they are refused. */
  readonly blobs?: BlobStore
  /** Default: the system's. Delays and leases are by Azure's clock all the same. */
  readonly clock?: Clock
  /** Default: the system's. */
  readonly random?: RandomSource
}

const LONGEST_PAUSE_MS = 10_000

/**
 * Opens a queue at Azure Queue Storage.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE` (no answer, no permission), `UNKNOWN_QUEUE` (it is not there and is not to be made),
 * `INVALID_URL`, `INVALID_OPTION`, `MISSING_PACKAGE`.
 */
export async function openAzureQueue(options: AzureQueueOptions = {}): Promise<AzureQueueService> {
  const { url = 'azure-queue:', queue = 'default', clock = systemClock, random = systemRandom } = options
  const address = parseAzureUrl(url)
  const { create = address.create, encoding = address.encoding, longestPauseMs = LONGEST_PAUSE_MS } = options
  if (!(longestPauseMs >= 100)) {
    throw new ForebayError('INVALID_OPTION', 'longestPauseMs is at least 100.', { path: 'longestPauseMs' })
  }
  const { connectionString, credential, blobs } = options
  const name = `${address.prefix}${queue}`
  checkName(name)
  const client = options.client ?? (await makeClient({ endpoint: address.endpoint, connectionString, credential }))
  const queueOf = async (itsName: string) => {
    const one = client.getQueueClient(itsName)
    if (create) await one.createIfNotExists()
    else await one.getProperties()
    return new AzureStorageQueue(one, encoding)
  }
  try {
    const [main, poison] = await Promise.all([queueOf(name), queueOf(`${name}-poison`)])
    return new AzureQueueService({ main, poison, longestPauseMs, blobs, clock, random })
  } catch (thrown) {
    throw fromAzure(thrown, 'the queue was not opened.')
  }
}

function checkName(name: string): void {
  const longest = 63 - '-poison'.length
  if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && name.length >= 3 && name.length <= longest) return
  const message = `"${name}" is no name for a queue at Azure: 3 to ${longest} small letters and digits, with single "-" between them.`
  throw new ForebayError('INVALID_OPTION', message, { path: 'name' })
}
