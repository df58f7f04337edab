/** Opens a queue at SQS: finds or makes it and the queue of its dead letters, and looks at what the account has set up. */

import type { SQSClient } from '@aws-sdk/client-sqs'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { BlobStore } from '../blob-store.ts'
import { codeOf, fromSqs } from './sqs-errors.ts'
import { type QueueIdentity, SqsQueue } from './sqs-queue.ts'
import { SqsQueueService } from './sqs-queue-service.ts'
import { loadSdk, makeClient, type Sdk } from './sqs-sdk.ts'
import { parseSqsUrl } from './sqs-url.ts'

export interface SqsOptions {
  /** `sqs://REGION/PREFIX`; see the README for its parameters. Default: `sqs:`. */
  readonly url?: string
  /** A client of your own; it is left open. Then the URL's region and endpoint are not used. */
  readonly client?: SQSClient
  /** Default `default`. At SQS it is called so after the URL's prefix, with `.fifo` where it is one. */
  readonly queue?: string
  /** A FIFO queue: keeps the order of keys. Default: as the URL says, or else false. */
  readonly fifo?: boolean
  /** A standard queue that no key fills for the others: SQS is told the keys, and bills it extra. Default: as the URL says, or else false. */
  readonly fair?: boolean
  /** Makes queues that are missing. Default: as the URL says, or else true. */
  readonly create?: boolean
  /** How long a settlement waits for others to share its request, milliseconds. Default 20. */
  readonly lingerMs?: number
  /** Takes payloads that are too large for a message. Default: they are refused. */
  readonly blobs?: BlobStore
  /** Default: the system's. Delays and leases are by the clock of SQS all the same. */
  readonly clock?: Clock
  /** Default: the system's. */
  readonly random?: RandomSource
}

const LINGER_MS = 20

/** SQS forgets what it has kept for so long: 10 days, and 14, the longest there is, for the dead. */
const RETENTION_S = 10 * 24 * 3_600
const DEAD_RETENTION_S = 14 * 24 * 3_600
/** The most that SQS counts to: who dies, and when, is decided above. It is there so that SQS can move letters back. */
const RECEIVES = 1_000

/**
 * Opens a queue at SQS.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE` (no answer, no credentials, no permission), `UNKNOWN_QUEUE` (it is not there and is
 * not to be made), `UNSUPPORTED` (its redrive policy allows one receive only), `INVALID_URL`, `INVALID_OPTION`, `MISSING_PACKAGE`.
 */
export async function openSqs(options: SqsOptions = {}): Promise<SqsQueueService> {
  const { url = 'sqs:', queue = 'default', clock = systemClock, random = systemRandom, blobs } = options
  const address = parseSqsUrl(url)
  const { fifo = address.fifo, fair = address.fair, create = address.create } = options
  const { lingerMs = address.lingerMs ?? LINGER_MS } = options
  const name = `${address.prefix}${queue}`
  checkName(name, fifo)
  const sdk = await loadSdk()
  const client = options.client ?? makeClient(sdk, address.region, address.endpoint)
  const account = { client, sdk, create, fifo }
  try {
    const found = await findQueues(account, name)
    const queueOf = (identity: Described, isFair: boolean) =>
      new SqsQueue({ client, sdk, identity: { ...identity, fair: isFair && !identity.fifo }, clock, random, lingerMs })
    return new SqsQueueService({
      main: queueOf(found.main, fair),
      dead: queueOf(found.dead, false),
      maxReceiveCount: found.maxReceiveCount,
      move: { client, sdk, from: found.dead.arn, to: found.main.arn, clock },
      name,
      blobs,
      clock,
      random,
      letGo: options.client ? () => {} : () => client.destroy(),
    })
  } catch (thrown) {
    if (!options.client) client.destroy()
    throw fromSqs(thrown, 'the queue was not opened.')
  }
}

function checkName(name: string, fifo: boolean): void {
  const longest = 80 - (fifo ? '-dead.fifo' : '-dead').length
  if (/^[A-Za-z0-9_-]+$/.test(name) && name.length <= longest) return
  const message = `"${name}" is no name for a queue at SQS: letters, digits, "-" and "_", at most ${longest}.`
  throw new ForebayError('INVALID_OPTION', message, { path: 'name' })
}

interface Account {
  readonly client: SQSClient
  readonly sdk: Sdk
  readonly create: boolean
  readonly fifo: boolean
}

interface Found {
  readonly main: Described
  readonly dead: Described
  readonly maxReceiveCount: number | undefined
}

interface Described extends Omit<QueueIdentity, 'fair'> {
  readonly policy: { readonly deadLetterTargetArn: string; readonly maxReceiveCount: number } | undefined
}

async function findQueues(account: Account, name: string): Promise<Found> {
  const suffix = account.fifo ? '.fifo' : ''
  const url = await urlOf(account, `${name}${suffix}`)
  const ownDead = `${name}-dead${suffix}`
  if (url === undefined) {
    const dead = await describe(account, await made(account, ownDead, { MessageRetentionPeriod: DEAD_RETENTION_S }))
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: RECEIVES })
    const main = await made(account, `${name}${suffix}`, { MessageRetentionPeriod: RETENTION_S, RedrivePolicy })
    return { main: await describe(account, main), dead, maxReceiveCount: RECEIVES }
  }
  const main = await describe(account, url)
  if (!main.policy) {
    const there = await urlOf(account, ownDead)
    const dead = there ?? (await made(account, ownDead, { MessageRetentionPeriod: DEAD_RETENTION_S }))
    return { main, dead: await describe(account, dead), maxReceiveCount: undefined }
  }
  const { deadLetterTargetArn: arn, maxReceiveCount } = main.policy
  if (maxReceiveCount <= 1) {
    const message = `The redrive policy of "${name}${suffix}" has a maxReceiveCount of 1: one release or one lost lease would make a task a dead letter. Set it to at least 2, better to 10 or more; attempts are counted by the consumer.`
    throw new ForebayError('UNSUPPORTED', message)
  }
  const [, owner = '', deadName = ''] = /:([^:]*):([^:]*)$/.exec(arn) ?? []
  const dead = await urlOf(account, deadName, owner)
  if (dead === undefined) {
    const message = `The dead-letter queue of "${name}${suffix}", ${arn}, can't be found.`
    throw new ForebayError('UNKNOWN_QUEUE', message)
  }
  return { main, dead: await describe(account, dead), maxReceiveCount }
}

async function urlOf({ client, sdk }: Account, name: string, owner?: string): Promise<string | undefined> {
  try {
    const command = new sdk.GetQueueUrlCommand({
      QueueName: name,
      ...(owner !== undefined && { QueueOwnerAWSAccountId: owner }),
    })
    return (await client.send(command)).QueueUrl
  } catch (thrown) {
    if (/QueueDoesNotExist|NonExistentQueue/.test(codeOf(thrown))) return undefined
    throw thrown
  }
}

async function made(account: Account, name: string, settings: Record<string, string | number>): Promise<string> {
  const { client, sdk, create, fifo } = account
  if (!create) {
    const message = `There is no queue "${name}" at SQS, and it is not to be made (create=false).`
    throw new ForebayError('UNKNOWN_QUEUE', message)
  }
  const texts = Object.entries(settings).map(([setting, value]) => [setting, String(value)] as const)
  const Attributes: Record<string, string> = { ...Object.fromEntries(texts), ...(fifo && FIFO) }
  const { QueueUrl = '' } = await client.send(new sdk.CreateQueueCommand({ QueueName: name, Attributes }))
  return QueueUrl
}

/** High throughput: what is sent twice is looked for within a group, and groups do not share one limit. */
const FIFO = { FifoQueue: 'true', DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' }

async function describe({ client, sdk }: Account, url: string): Promise<Described> {
  const command = new sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] })
  const { Attributes = {} } = await client.send(command)
  const { QueueArn = '', RedrivePolicy, MaximumMessageSize = '262144', FifoQueue } = Attributes
  const policy = RedrivePolicy ? JSON.parse(RedrivePolicy) : undefined
  return {
    url,
    arn: QueueArn,
    fifo: FifoQueue === 'true',
    maxMessageBytes: Number(MaximumMessageSize),
    policy: policy && { ...policy, maxReceiveCount: Number(policy.maxReceiveCount) },
  }
}
