/** The `sqs:` backend: a queue at Amazon SQS, behind the port. */

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
import { recordOf } from '../task-letter.ts'
import { DeadQueue } from './dead-letters.ts'
import { type Delivery, LONGEST_HOLD_MS } from './delivery.ts'
import { Intake } from './intake.ts'
import { outgoing } from './message.ts'
import type { MoveOptions } from './move-task.ts'
import { PutBack } from './put-back.ts'
import { Reading } from './reading.ts'
import { Settling } from './settling.ts'
import { fromSqs } from './sqs-errors.ts'
import type { SqsQueue } from './sqs-queue.ts'

/** What stands beside the payload takes no more: the bounds of its fields, escaped. */
const BESIDE_BYTES = 16 * 1024
/** Within a FIFO queue a delay hides the message, and a retry has been held for a while before. */
const FIFO_DELAY_MS = LONGEST_HOLD_MS - 3_600_000
/** So long the last wait says how long the next one has been waiting. */
const AGE_FRESH_MS = 60_000

export interface SqsParts {
  readonly main: SqsQueue
  readonly dead: SqsQueue
  readonly maxReceiveCount: number | undefined
  readonly move: MoveOptions
  readonly name: string
  readonly blobs: BlobStore | undefined
  readonly clock: Clock
  readonly random: RandomSource
  readonly letGo: () => void
}

/** Made by `openSqs`. */
export class SqsQueueService implements QueueService {
  readonly backend = 'sqs'
  readonly capabilities: Capabilities
  readonly dead: DeadLetters
  readonly #parts: SqsParts
  readonly #grants: HeldGrants<Delivery>
  readonly #putBack: PutBack
  readonly #reading: Reading
  readonly #intake: Intake
  readonly #settling: Settling
  readonly #room: Room
  readonly #work = new OpenWork()

  constructor(parts: SqsParts) {
    const { main, dead, clock, random, blobs } = parts
    const stamp = stamps(clock, random)
    this.capabilities = capabilitiesOf(main, blobs !== undefined)
    this.#parts = parts
    this.#grants = new HeldGrants(clock)
    this.#putBack = new PutBack(clock)
    const shared = { main, dead, grants: this.#grants, putBack: this.#putBack, blobs, clock, random, stamp }
    const reading = new Reading(shared)
    const settling = new Settling(shared)
    this.#reading = reading
    this.#settling = settling
    this.#intake = new Intake({
      main,
      clock,
      read: (messages, hiddenMs) => reading.read(messages, hiddenMs),
      grant: (deliveries, leaseMs) => reading.grant(deliveries, leaseMs),
      giveBack: (deliveries) => settling.giveBack(deliveries),
    })
    this.#room = new Room('sqs', clock, () => this.#depth())
    const { maxReceiveCount, move } = parts
    const queue = new DeadQueue({ main, dead, maxReceiveCount, move, blobs, clock, stamp })
    this.dead = this.#work.guarded(queue)
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    const send = async (some: readonly NewTask[]) => {
      const sent = await Promise.all(some.map((task) => this.#send(task)))
      const failed = sent.find((error) => error !== undefined)
      if (failed) throw failed
      return undefined
    }
    return this.#work.run(() => this.#room.push(tasks, bounds, transaction, send))
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#work.run(async () => {
      if (request.leaseMs <= LONGEST_HOLD_MS) return this.#intake.claim(request)
      const message = `A lease of ${request.leaseMs} ms is longer than SQS hides a message; the longest is ${LONGEST_HOLD_MS} ms.`
      throw new ForebayError('UNSUPPORTED', message, { path: 'leaseMs' })
    })
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#work.run(async () => {
      const results = await this.#settling.settle(settlements)
      this.#room.noteSettled(settlements, results)
      return results
    })
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#work.run(() => this.#settling.extend(claims, leaseMs))
  }

  depth(): Promise<Depth> {
    return this.#work.run(() => this.#depth())
  }

  /** @throws ForebayError UNSUPPORTED: a queue at SQS can't be looked into. */
  find(_ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#work.run(async () => {
      throw new ForebayError('UNSUPPORTED', 'The sqs backend cannot look up a task by its id.')
    })
  }

  close(): Promise<void> {
    return this.#work.close(() => this.#close())
  }

  async #close(): Promise<void> {
    await this.#intake.end()
    await this.#work.idle()
    await this.#intake.end()
    this.#parts.letGo()
  }

  async #send(task: NewTask): Promise<ForebayError | undefined> {
    const { main, name, blobs, clock, random } = this.#parts
    const letter = { record: recordOf(task, clock.now()), payload: task.payload }
    const { delayMs } = task
    const message = outgoing(letter, { ...main.identity, delayMs })
    if (!blobs || Buffer.byteLength(message.body) <= main.identity.maxMessageBytes) return main.send(message)
    const checked = await checkIn(blobs, name, letter, random)
    return main.send(outgoing(checked, { ...main.identity, delayMs }))
  }

  async #depth(): Promise<Depth> {
    const { main, dead } = this.#parts
    try {
      const [here, there] = await Promise.all([main.counts(), dead.counts()])
      const hidden = Math.min(here.inFlight, this.#putBack.waiting)
      return {
        ready: here.ready,
        delayed: here.delayed + hidden,
        inFlight: here.inFlight - hidden,
        dead: there.ready + there.delayed + there.inFlight,
        oldestReadyAgeMs: here.ready === 0 ? 0 : this.#reading.lastWaitedMs(AGE_FRESH_MS),
        bytes: undefined,
        totals: undefined,
      }
    } catch (thrown) {
      throw fromSqs(thrown, 'the depth is not known.')
    }
  }
}

export function capabilitiesOf({ identity }: SqsQueue, hasBlobs: boolean): Capabilities {
  return {
    durability: 'replicated',
    sharedByProcesses: true,
    bounds: 'approximate',
    maxPayloadBytes: hasBlobs ? MAX_BLOB_BYTES : Math.max(0, identity.maxMessageBytes - BESIDE_BYTES),
    maxDelayMs: identity.fifo ? FIFO_DELAY_MS : Number.POSITIVE_INFINITY,
    maxLeaseMs: LONGEST_HOLD_MS,
    leases: 'timed',
    uniqueIds: false,
    order: 'about',
    releases: identity.fifo ? 'counted' : 'free',
    priority: 'none',
    keyOrder: identity.fifo,
    fairness: false,
    keyLimits: false,
    eviction: false,
    ahead: false,
    transactions: false,
    maxDedupWindowMs: 0,
    find: false,
    results: false,
    failures: false,
    wake: 'event',
  }
}
