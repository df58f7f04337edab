/** The `cloud-tasks:` backend: a queue at Google Cloud Tasks, which delivers by itself, behind the port. */

import type { Clock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { TaskId } from '../../task.ts'
import { MAX_BLOB_BYTES } from '../blob-store.ts'
import { OneAtATime } from '../one-at-a-time.ts'
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
  OwnRate,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import { Room } from '../room.ts'
import { recordOf } from '../task-letter.ts'
import type { CloudQueue } from './cloud-queue.ts'
import { DeadQueue } from './dead-letters.ts'
import { DedupMarks, LONGEST_WINDOW_MS } from './dedup.ts'
import { longestLeaseMs } from './delivery.ts'
import { DepthGauge, MOST_COUNTED } from './depth-gauge.ts'
import type { Inbox } from './inbox.ts'
import { ensure, type InForce, type Level, MOST_PER_SECOND } from './leveling.ts'
import { Reception } from './reception.ts'
import { Settling } from './settling.ts'
import { Store, type StoreOptions } from './store.ts'

/** What stands beside the payload takes no more: the bounds of its fields, escaped, and the address. */
const BESIDE_BYTES = 14 * 1024

export interface CloudTasksParts extends StoreOptions {
  readonly deadlineMs: number
  readonly level: Level
  readonly manage: boolean
  readonly maxHeld: number
  readonly depthEveryMs: number
  /** Whether deliveries can reach this process. */
  readonly receives: boolean
  /** The queue of the dedup ids' marks. */
  readonly openMarks: () => Promise<CloudQueue>
  readonly letGo: () => Promise<void>
}

/** Made by `openCloudTasks`. */
export class CloudTasksQueueService implements QueueService {
  readonly backend = 'cloud-tasks'
  readonly capabilities: Capabilities
  readonly dead: DeadLetters
  /** What is dispatched a second: `level`, as the consumers ask for it. */
  readonly ownRate: OwnRate = {
    mostPerSecond: MOST_PER_SECOND,
    keep: async (perSecond) => void (await this.level({ perSecond: Math.min(perSecond, MOST_PER_SECOND) })),
  }
  readonly #parts: CloudTasksParts
  readonly #inbox: Inbox
  readonly #clock: Clock
  readonly #store: Store
  readonly #reception: Reception
  readonly #settling: Settling
  readonly #marks: DedupMarks
  readonly #gauge: DepthGauge
  readonly #room: Room
  readonly #work = new OpenWork()
  /** Of two changes the later one's is in force. */
  readonly #leveling = new OneAtATime()
  #level: Level

  constructor(parts: CloudTasksParts) {
    const { main, dead, inbox, clock, deadlineMs, blobs, depthEveryMs } = parts
    this.capabilities = capabilitiesOf(deadlineMs, main.maxTaskBytes, blobs !== undefined)
    this.#parts = parts
    this.#inbox = inbox
    this.#clock = clock
    this.#level = parts.level
    this.#store = new Store(parts)
    this.#reception = new Reception(this.#store)
    this.#settling = new Settling(this.#store)
    this.#marks = new DedupMarks(this.#store, parts.openMarks)
    this.#gauge = new DepthGauge({ main, dead, inbox, everyMs: depthEveryMs, clock })
    this.#room = new Room('cloud-tasks', clock, () => this.#gauge.fresh(), depthEveryMs)
    const queue = new DeadQueue(this.#store)
    this.dead = this.#work.guarded(queue)
    inbox.room = parts.maxHeld
    inbox.enter(this.#reception)
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    return this.#work.run(async () => {
      if ((bounds.maxDepth ?? 0) > MOST_COUNTED) {
        throw unsupported(
          `Of a queue of Cloud Tasks at most ${MOST_COUNTED} tasks are counted: lower maxDepth.`,
          'maxDepth',
        )
      }
      return this.#room.push(tasks, bounds, transaction, (some) => this.#addAll(some))
    })
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#work.run(async () => {
      this.#checkLease(request.leaseMs)
      if (!this.#parts.receives) {
        throw unsupported(
          'Nothing is delivered to this process: add listen=8080 to the URL, or hand in a receiver.',
          'listen',
        )
      }
      return this.#inbox.claim(request, this.#reception)
    })
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#work.run(async () => {
      const results = await this.#settling.settle(settlements)
      this.#room.noteSettled(settlements, results)
      return results
    })
  }

  /** A lease can't go beyond the dispatch deadline that its delivery was made with: then it is `stale`. */
  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#work.run(async () => {
      this.#checkLease(leaseMs)
      return this.#settling.extend(claims, leaseMs)
    })
  }

  depth(): Promise<Depth> {
    return this.#work.run(() => this.#gauge.depth())
  }

  /** @throws ForebayError UNSUPPORTED: Cloud Tasks knows its tasks by other names. */
  find(_ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#work.run(async () => {
      throw unsupported('The cloud-tasks backend cannot look up a task by its id.')
    })
  }

  /**
   * Brings the queue's own settings into agreement with a new rate and concurrency, and answers what is in force; without an
   * argument, with the last ones. Where it may not (`manage: false`) it only answers.
   *
   * @throws ForebayError `UNSUPPORTED` (beyond what Cloud Tasks has), `INVALID_OPTION`, `BACKEND_UNAVAILABLE`.
   */
  level(level: Level = {}): Promise<InForce> {
    return this.#work.run(() => this.#leveling.run(() => this.#bringInForce(level)))
  }

  /** No delivery begins until `resume`; what is held goes on. Stays so when this process ends. */
  pause(): Promise<void> {
    return this.#work.run(() => this.#parts.main.pause())
  }

  resume(): Promise<void> {
    return this.#work.run(() => this.#parts.main.resume())
  }

  /** Deletes all tasks that wait; takes up to a minute. What is held or dead is kept. */
  purge(): Promise<void> {
    return this.#work.run(() => this.#parts.main.purge())
  }

  close(): Promise<void> {
    return this.#work.close(() => this.#close())
  }

  async #close(): Promise<void> {
    await this.#inbox.leave(this.#reception)
    await this.#work.idle()
    await this.#parts.letGo()
  }

  async #bringInForce(level: Level): Promise<InForce> {
    const next = { ...this.#level, ...level }
    const inForce = await ensure(this.#parts.main, next, this.#parts.manage)
    this.#level = next
    return inForce
  }

  /** Those with a dedup id one after another: they may be each other's duplicates. */
  async #addAll(tasks: readonly NewTask[]): Promise<PushResult[]> {
    let last: Promise<unknown> = Promise.resolve()
    const results = await Promise.allSettled(
      tasks.map(async (task): Promise<PushResult> => {
        const { dedup, id, payload, delayMs } = task
        if (!dedup) {
          await this.#store.add({ record: recordOf(task, this.#clock.now()), payload }, delayMs)
          return { status: 'accepted', id }
        }
        const done = last.then(() => this.#marks.push(task, dedup))
        last = done.catch(() => {})
        return done
      }),
    )
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
  }

  #checkLease(leaseMs: number): void {
    const { maxLeaseMs } = this.capabilities
    if (leaseMs <= maxLeaseMs) return
    const message = `A lease of ${leaseMs} ms is longer than half of the dispatch deadline, the other half of which is for waiting; the longest is ${maxLeaseMs} ms.`
    throw unsupported(message, 'leaseMs')
  }
}

function unsupported(message: string, path?: string): ForebayError {
  return new ForebayError('UNSUPPORTED', message, path === undefined ? {} : { path })
}

export function capabilitiesOf(deadlineMs: number, maxTaskBytes: number, hasBlobs: boolean): Capabilities {
  return {
    durability: 'replicated',
    sharedByProcesses: true,
    bounds: 'approximate',
    maxPayloadBytes: hasBlobs ? MAX_BLOB_BYTES : maxTaskBytes - BESIDE_BYTES,
    maxDelayMs: Number.POSITIVE_INFINITY,
    maxLeaseMs: longestLeaseMs(deadlineMs),
    leases: 'connection',
    uniqueIds: false,
    order: 'about',
    priority: 'none',
    keyOrder: false,
    fairness: false,
    keyLimits: false,
    eviction: false,
    ahead: false,
    transactions: false,
    maxDedupWindowMs: LONGEST_WINDOW_MS,
    find: false,
    results: false,
    failures: true,
    wake: 'event',
  }
}
