/** The `azure-queue:` backend: a queue at Azure Queue Storage, behind the port. */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { RandomSource } from '../../random.ts'
import type { TaskId } from '../../task.ts'
import { type BlobStore, checkIn, MAX_BLOB_BYTES } from '../blob-store.ts'
import { HeldGrants } from '../held-grants.ts'
import { OpenWork } from '../open-work.ts'
import type {
  Bounds,
  Capabilities,
  Claim,
  ClaimRef,
  ClaimRequest,
  DeadLetters,
  Depth,
  ExtendResult,
  FoundTask,
  NewTask,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import { Room } from '../room.ts'
import { stamps } from '../stamps.ts'
import { letterOf, recordOf, textOf } from '../task-letter.ts'
import { type AzureStorageQueue, LONGEST_HIDE_MS, RECEIVED_AT_ONCE } from './azure-storage-queue.ts'
import { PoisonQueue } from './dead-letters.ts'
import type { Delivery } from './delivery.ts'
import { DueTimes } from './due-times.ts'
import { Poller } from './poller.ts'
import { Receiving } from './receiving.ts'
import { Settling } from './settling.ts'

/** What stands beside the payload takes no more: the bounds of its fields, escaped. */
const BESIDE_BYTES = 12 * 1024

export interface AzureParts {
  readonly main: AzureStorageQueue
  readonly poison: AzureStorageQueue
  readonly longestPauseMs: number
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly random: RandomSource
}

/** Made by `openAzureQueue`. */
export class AzureQueueService implements QueueService {
  readonly backend = 'azure-queue'
  readonly capabilities: Capabilities
  readonly dead: DeadLetters
  readonly #parts: AzureParts
  readonly #grants: HeldGrants<Delivery>
  readonly #due: DueTimes
  readonly #poller: Poller
  readonly #settling: Settling
  readonly #room: Room
  readonly #work = new OpenWork()

  constructor(parts: AzureParts) {
    const { main, poison, clock, random, blobs, longestPauseMs } = parts
    this.capabilities = capabilitiesOf(main, blobs !== undefined)
    this.#parts = parts
    this.#grants = new HeldGrants(clock)
    this.#due = new DueTimes(clock)
    const shared = { main, poison, grants: this.#grants, blobs, clock, stamp: stamps(clock, random) }
    const receiving = new Receiving(shared)
    this.#settling = new Settling(shared)
    this.#poller = new Poller({ clock, due: this.#due, longestPauseMs, ask: (request) => receiving.claim(request) })
    this.#room = new Room('azure-queue', clock, () => this.#depth())
    const queue = new PoisonQueue({ main, poison, blobs, clock, onReady: () => this.#poller.wake() })
    this.dead = this.#work.guarded(queue)
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    const put = async (some: readonly NewTask[]) => {
      const stored = await Promise.allSettled(some.map((task) => this.#put(task)))
      this.#poller.wake()
      const failed = stored.find((one) => one.status === 'rejected')
      if (failed) throw failed.reason
      return undefined
    }
    return this.#work.run(() => this.#room.push(tasks, bounds, transaction, put))
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#work.run(async () => {
      if (request.leaseMs <= LONGEST_HIDE_MS) return this.#poller.claim(request)
      const message = `A lease of ${request.leaseMs} ms is longer than Azure hides a message; the longest is ${LONGEST_HIDE_MS} ms.`
      throw new ForebayError('UNSUPPORTED', message, { path: 'leaseMs' })
    })
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#work.run(async () => {
      const results = await this.#settling.settle(settlements)
      this.#room.noteSettled(settlements, results)
      settlements.forEach((settlement, index) => {
        if (results[index]?.status === 'settled' && 'delayMs' in settlement) this.#due.add(settlement.delayMs)
      })
      this.#poller.wake()
      return results
    })
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#work.run(() => this.#settling.extend(claims, leaseMs))
  }

  depth(): Promise<Depth> {
    return this.#work.run(() => this.#depth())
  }

  /** @throws ForebayError UNSUPPORTED: a queue at Azure can't be looked into. */
  find(_ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#work.run(async () => {
      throw new ForebayError('UNSUPPORTED', 'The azure-queue backend cannot look up a task by its id.')
    })
  }

  close(): Promise<void> {
    return this.#work.close(() => this.#close())
  }

  async #close(): Promise<void> {
    await this.#poller.end()
    await this.#work.idle()
  }

  async #put(task: NewTask): Promise<void> {
    const { main, blobs, clock, random } = this.#parts
    const { delayMs } = task
    const leftMs = Math.max(0, delayMs - LONGEST_HIDE_MS)
    const record = { ...recordOf(task, clock.now()), ...(leftMs > 0 && { leftMs }) }
    const letter = { record, payload: task.payload }
    const fits = !blobs || Buffer.byteLength(textOf(letter)) <= main.maxBytes
    await main.put(fits ? letter : await checkIn(blobs, main.name, letter, random), delayMs)
    if (delayMs > 0) this.#due.add(delayMs)
  }

  /**
   * Azure tells how many messages there are, and shows up to 32 that are visible: below that, the ready ones are counted. What
   * is hidden is in flight as far as it is ours, and delayed as for the rest.
   */
  async #depth(): Promise<Depth> {
    const { main, poison, clock } = this.#parts
    const [all, visible, dead] = await Promise.all([main.count(), main.peek(), poison.count()])
    const held = this.#grants.size
    const guess = Math.max(visible.length, all - held - this.#due.waiting)
    const ready = visible.length < RECEIVED_AT_ONCE ? visible.length : guess
    const hidden = Math.max(0, all - ready)
    const inFlight = Math.min(held, hidden)
    const now = clock.now()
    const ages = visible.map(({ text, insertedAt }) => {
      const record = letterOf(text)?.record
      return Math.max(0, now - (record?.readyAt ?? record?.createdAt ?? insertedAt))
    })
    return {
      ready,
      delayed: hidden - inFlight,
      inFlight,
      dead,
      oldestReadyAgeMs: Math.max(0, ...ages),
      bytes: undefined,
      totals: undefined,
    }
  }
}

export function capabilitiesOf({ maxBytes }: AzureStorageQueue, hasBlobs: boolean): Capabilities {
  return {
    durability: 'replicated',
    sharedByProcesses: true,
    bounds: 'approximate',
    maxPayloadBytes: hasBlobs ? MAX_BLOB_BYTES : maxBytes - BESIDE_BYTES,
    maxDelayMs: Number.POSITIVE_INFINITY,
    maxLeaseMs: LONGEST_HIDE_MS,
    leases: 'timed',
    uniqueIds: false,
    order: 'about',
    priority: 'none',
    keyOrder: false,
    fairness: false,
    keyLimits: false,
    eviction: false,
    ahead: false,
    transactions: false,
    maxDedupWindowMs: 0,
    find: false,
    results: false,
    failures: true,
    wake: 'poll',
  }
}
