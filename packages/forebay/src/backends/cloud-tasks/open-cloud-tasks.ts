/** Opens a queue at Google Cloud Tasks: finds or makes it and the queue of its dead letters, and opens where it delivers to. */

import type { CloudTasksClient } from '@google-cloud/tasks'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { BlobStore } from '../blob-store.ts'
import { stamps } from '../stamps.ts'
import { fromCloudTasks } from './cloud-tasks-errors.ts'
import { CloudTasksQueueService } from './cloud-tasks-queue-service.ts'
import { makeClient } from './cloud-tasks-sdk.ts'
import { parseCloudTasksUrl } from './cloud-tasks-url.ts'
import { CloudQueue, type Route } from './cloud-queue.ts'
import { checkLevel, ensure, ensurePaused, type Level } from './leveling.ts'
import { type Lent, receiverAt } from './listeners.ts'
import { openReceiver, type Receiver } from './receiver.ts'

export interface CloudTasksOptions {
  /** `cloud-tasks://PROJECT/LOCATION/PREFIX?target=...`; see the README for its parameters. */
  readonly url?: string
  /** A client of your own; it is left open. Default: one that finds who we are by Google's own chain. */
  readonly client?: CloudTasksClient
  /** Default `default`. At Cloud Tasks it is called so after the URL's prefix: letters, digits and "-". */
  readonly queue?: string
  /**
   * Where the deliveries arrive, made by `openReceiver`; it is left open. Default: one that listens where the URL says, or else none: then tasks are enqueued here and claimed elsewhere.
   */
  readonly receiver?: Receiver
  /** The receiver's address as Cloud Tasks sees it, without the queue's name. Default: as the URL says. */
  readonly target?: string
  /** In whose name the deliveries' tokens are made. Default: as the URL says. */
  readonly serviceAccount?: string
  /** For whom the tokens are made. Default: as the URL says, or else the target. */
  readonly audience?: string
  /** Whether the tokens are verified here; false only behind something that does, such as Cloud Run's IAM. Default: as the URL says, or else true. */
  readonly verify?: boolean
  /** How long a delivery may stay open, milliseconds, 15,000 to 1,800,000. Half of it is the longest lease. Default: as the URL says, or else 1,800,000. */
  readonly deadlineMs?: number
  /** What the queue dispatches a second and at once, over all processes. Default: as the URL says, or else as the queue is. */
  readonly level?: Level
  /** Makes what is missing and changes settings that differ. Default: as the URL says, or else true. */
  readonly manage?: boolean
  /** So many deliveries are held at once, those in work included; more are sent back. Default 1,000. */
  readonly maxHeld?: number
  /** So old may a depth be, milliseconds: each look is billed by the number of tasks. Default: as the URL says, or else 10,000. */
  readonly depthEveryMs?: number
  /** The largest task, bytes, all of it included. Default 102,400, which Google's reference promises. */
  readonly maxTaskBytes?: number
  /** Takes payloads that are too large for a task. Default: they are refused. */
  readonly blobs?: BlobStore
  /** Default: the system's. */
  readonly clock?: Clock
  /** Default: the system's. */
  readonly random?: RandomSource
}

const LEAST_DEADLINE_MS = 15_000
export const DEADLINE_MS = 1_800_000
const MAX_HELD = 1_000
const DEPTH_EVERY_MS = 10_000
export const MAX_TASK_BYTES = 100 * 1024
const LONGEST_NAME = 100

/**
 * Opens a queue at Google Cloud Tasks, and a receiver for its deliveries.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE` (no answer, no permission), `UNKNOWN_QUEUE` (it is not there and is not to be made),
 * `UNSUPPORTED` (a rate or concurrency beyond what a queue has), `ADDRESS_IN_USE`, `INVALID_URL`, `INVALID_OPTION`, `MISSING_PACKAGE`.
 */
export async function openCloudTasks(options: CloudTasksOptions = {}): Promise<CloudTasksQueueService> {
  const { clock = systemClock, random = systemRandom, maxHeld = MAX_HELD } = options
  const settings = settingsOf(options)
  const { name, parent, route, level, manage, maxTaskBytes, deadlineMs, depthEveryMs } = settings
  checkLevel(level)
  const client = options.client ?? (await makeClient())
  let lent: Lent | undefined
  const letGo = async () => {
    await lent?.letGo()
    // One that never found who we are can't be closed either.
    if (!options.client) await client.close().catch(() => {})
  }
  const queueOf = (queue: string) =>
    new CloudQueue({ client, path: `${parent}/queues/${queue}`, route, maxTaskBytes, clock, random })
  const pausedQueue = async (queue: string) => {
    const paused = queueOf(queue)
    await ensurePaused(paused, manage)
    return paused
  }
  try {
    // Its own first call would throw this where nobody can catch it.
    await client.initialize()
    const [main, dead] = [queueOf(name), await pausedQueue(`${name}-dead`)]
    await ensure(main, level, manage)
    const { receiver: own } = options
    lent =
      own || !settings.listen
        ? lentBy(own ?? (await openReceiver({ clock })))
        : await receiverAt(settings.listen, clock)
    const { receiver } = lent
    // From here on what is delivered is held.
    const inbox = receiver.use(name, settings.verify ? rulesOf(route) : undefined)
    return new CloudTasksQueueService({
      name,
      main,
      dead,
      inbox,
      blobs: options.blobs,
      clock,
      random,
      stamp: stamps(clock, random),
      deadlineMs,
      level,
      manage,
      maxHeld,
      depthEveryMs,
      receives: own !== undefined || settings.listen !== undefined,
      openMarks: () => pausedQueue(`${name}-dedup`),
      letGo: async () => {
        receiver.letGo(name)
        await letGo()
      },
    })
  } catch (thrown) {
    await letGo()
    throw fromCloudTasks(thrown, 'the queue was not opened.')
  }
}

interface Settings {
  readonly name: string
  readonly parent: string
  readonly route: Route
  readonly verify: boolean
  readonly listen: { readonly host: string; readonly port: number } | undefined
  readonly level: Level
  readonly manage: boolean
  readonly deadlineMs: number
  readonly depthEveryMs: number
  readonly maxTaskBytes: number
}

function settingsOf(options: CloudTasksOptions): Settings {
  const address = parseCloudTasksUrl(options.url ?? 'cloud-tasks:')
  const { target = address.target, verify = address.verify, manage = address.manage, queue = 'default' } = options
  const { serviceAccount = address.serviceAccount, maxTaskBytes = MAX_TASK_BYTES } = options
  const { deadlineMs = address.deadlineMs ?? DEADLINE_MS } = options
  const { depthEveryMs = address.depthEveryMs ?? DEPTH_EVERY_MS } = options
  const { level = { perSecond: address.rate, concurrency: address.concurrency } } = options
  const name = `${address.prefix}${queue}`
  checkName(name)
  if (address.project === undefined) {
    throw invalid('url', 'Which project? Write cloud-tasks://my-project/europe-west1?target=https://...')
  }
  if (target === undefined || !/^https?:$/.test(URL.parse(target)?.protocol ?? '')) {
    throw invalid(
      'target',
      'Where are tasks to be delivered? target is the https:// address of the receiver, as Cloud Tasks sees it.',
    )
  }
  if (serviceAccount === undefined && verify) {
    throw invalid(
      'serviceAccount',
      'Who may deliver? serviceAccount is the e-mail address in whose name the tokens are made (or verify=false behind something that checks them).',
    )
  }
  if (!(deadlineMs >= LEAST_DEADLINE_MS && deadlineMs <= DEADLINE_MS)) {
    throw invalid('deadlineMs', `A dispatch deadline is ${LEAST_DEADLINE_MS} to ${DEADLINE_MS} ms.`)
  }
  const { audience = address.audience ?? target } = options
  return {
    name,
    parent: `projects/${address.project}/locations/${address.location}`,
    route: {
      url: `${target.replace(/\/$/, '')}/${name}`,
      deadlineMs,
      oidc: serviceAccount === undefined ? undefined : { serviceAccount, audience },
    },
    verify,
    listen: address.listen,
    level,
    manage,
    deadlineMs,
    depthEveryMs,
    maxTaskBytes,
  }
}

function rulesOf({ oidc }: Route) {
  return oidc && { serviceAccount: oidc.serviceAccount, audience: oidc.audience }
}

/** One's own stays open. */
function lentBy(receiver: Receiver): Lent {
  return { receiver, letGo: async () => {} }
}

function checkName(name: string): void {
  const longest = LONGEST_NAME - '-dedup'.length
  if (/^[A-Za-z0-9-]+$/.test(name) && name.length <= longest) return
  throw invalid('name', `"${name}" is no name for a queue at Cloud Tasks: letters, digits and "-", at most ${longest}.`)
}

function invalid(path: string, message: string): ForebayError {
  return new ForebayError('INVALID_OPTION', message, { path })
}
