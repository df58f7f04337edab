/** The `amqp:` backend: a queue on a RabbitMQ server, behind the port. */

import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { systemRandom } from '../../random.ts'
import type { TaskId } from '../../task.ts'
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
import { DeadQueue } from './dead-letters.ts'
import { copyOf, type Delivery } from './delivery.ts'
import { DepthGauge } from './depth.ts'
import { DueClerk } from './due-clerk.ts'
import { Grants } from './grants.ts'
import { Intake } from './intake.ts'
import { bodyOf, type Outgoing, recordOf } from './message.ts'
import { Publisher } from './publisher.ts'
import type { QueueType } from './rabbitmq-url.ts'
import type { RabbitmqOptions } from './open-rabbitmq.ts'
import { Settling } from './settling.ts'
import { PRIORITIES, type Topology } from './topology.ts'
import type { Wire } from './wire.ts'

/** The server's `consumer_timeout`, half an hour by default, closes the channel; before that the lease ends here. */
const CONSUMER_TIMEOUT_MS = 30 * 60_000
const BEFORE_TIMEOUT_MS = 2 * 60_000

/** From 4.0 on the server takes messages of at most 16 MiB; a megabyte is left for what stands beside the payload. */
const MAX_PAYLOAD_BYTES = 15 * 1024 * 1024

/** A look at the depth costs the server little. */
const DEPTH_FRESH_MS = 200

/** Two, because the server stops reading from those who publish when it runs out of memory or disk. */
export interface Wires {
  readonly publishing: Wire
  readonly consuming: Wire
}

/** Made by `openRabbitmq`. */
export class RabbitmqQueueService implements QueueService {
  readonly backend = 'rabbitmq'
  readonly capabilities: Capabilities
  readonly dead: DeadLetters
  readonly #clock: Clock
  readonly #wires: Wires
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #clerk: DueClerk
  readonly #grants: Grants
  readonly #intake: Intake
  readonly #settling: Settling
  readonly #gauge: DepthGauge
  readonly #room: Room
  readonly #work = new OpenWork()
  #stamps = 0

  constructor(
    wires: Wires,
    topology: Topology,
    queueType: QueueType,
    options: Pick<RabbitmqOptions, 'clock' | 'random' | 'consumerTimeoutMs'>,
  ) {
    const { clock = systemClock, random = systemRandom, consumerTimeoutMs = CONSUMER_TIMEOUT_MS } = options
    const maxLeaseMs = Math.max(consumerTimeoutMs - BEFORE_TIMEOUT_MS, consumerTimeoutMs / 2)
    const name = Buffer.from(random.bytes(6)).toString('hex')
    const stamp = () => this.#stamp(name)
    const { publishing, consuming } = wires
    this.capabilities = capabilitiesOf(queueType, maxLeaseMs)
    this.#clock = clock
    this.#wires = wires
    this.#topology = topology
    this.#publisher = new Publisher(publishing, topology, clock)
    this.#clerk = new DueClerk(consuming, topology, this.#publisher, clock)
    this.#grants = new Grants(clock, name, maxLeaseMs)
    this.#intake = new Intake({
      wire: consuming,
      topology,
      publisher: this.#publisher,
      clock,
      name,
      stamp,
      grant: (delivery, leaseMs) => this.#grants.grant(delivery, leaseMs),
      onLost: (channel) => this.#grants.forget(channel),
      bury: (delivery) => this.#bury(delivery, stamp()),
    })
    this.#settling = new Settling({
      grants: this.#grants,
      publisher: this.#publisher,
      topology,
      clock,
      place: consuming.place,
      stamp,
      sync: (channel) => this.#intake.sync(channel),
    })
    const dead = new DeadQueue({ wire: consuming, topology, publisher: this.#publisher, clock, stamp })
    this.#gauge = new DepthGauge(consuming, topology, clock, () => ({
      ready: this.#intake.spare,
      delayed: this.#clerk.held,
      inFlight: this.#grants.size + this.#settling.underWay,
      dead: dead.walked,
    }))
    this.#room = new Room('rabbitmq', clock, () => this.#gauge.depth(), DEPTH_FRESH_MS)
    this.dead = this.#work.guarded(dead)
  }

  /** Makes what is missing at the server, and begins to pass on what falls due. */
  async open(): Promise<void> {
    await this.#publisher.open()
    await this.#clerk.begin()
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    const publish = async (some: readonly NewTask[]) => {
      const published = await this.#publisher.publish(some.map((task) => this.#message(task)))
      const failed = published.find((error) => error !== undefined)
      if (failed) throw failed
      return undefined
    }
    return this.#work.run(() => this.#room.push(tasks, bounds, transaction, publish))
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    this.#work.check()
    if (request.leaseMs > this.capabilities.maxLeaseMs) {
      const message = `A lease of ${request.leaseMs} ms is longer than RabbitMQ's consumer_timeout allows; the longest is ${this.capabilities.maxLeaseMs} ms.`
      throw new ForebayError('UNSUPPORTED', message, { path: 'leaseMs' })
    }
    return this.#intake.claim(request)
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#work.run(async () => {
      const results = await this.#settling.settle(settlements)
      this.#room.noteSettled(settlements, results)
      return results
    })
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#work.run(async () => claims.map((claim) => this.#grants.extend(claim, leaseMs)))
  }

  depth(): Promise<Depth> {
    return this.#work.run(() => this.#gauge.depth())
  }

  /** @throws ForebayError UNSUPPORTED: a queue of RabbitMQ can't be looked into. */
  find(_ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#work.run(async () => {
      throw new ForebayError('UNSUPPORTED', 'The rabbitmq backend cannot look up a task by its id.')
    })
  }

  close(): Promise<void> {
    return this.#work.close(() => this.#close())
  }

  async #close(): Promise<void> {
    this.#intake.endWaits()
    await this.#work.idle()
    await this.#intake.end()
    await this.#clerk.end()
    await Promise.all([this.#gauge.close(), this.#publisher.close()])
    await Promise.all([this.#wires.publishing.close(), this.#wires.consuming.close()])
  }

  #message(task: NewTask): Outgoing {
    const now = this.#clock.now()
    const { id, payload, delayMs, priority } = task
    const { least, greatest } = PRIORITIES
    const rank = Math.min(greatest, Math.max(least, priority)) - least
    return {
      ...(delayMs > 0 ? this.#topology.delayed(delayMs) : { queue: this.#topology.main, leftMs: 0 }),
      id,
      body: bodyOf({ record: recordOf(task, now), payload }),
      attempts: 0,
      readyAt: now,
      ...(this.capabilities.priority === 'strict' && { rank }),
    }
  }

  /** Answers why it could not be done. */
  async #bury(delivery: Delivery, stamp: string): Promise<unknown> {
    const { record, payload } = delivery.letter
    const death = { reason: 'unreadable', at: this.#clock.now(), stamp } as const
    const body = bodyOf({ record: { ...record, death }, payload })
    const copy = copyOf(delivery, this.#topology.dead, 0, { body })
    const [failed] = await this.#publisher.publish([copy]).catch((thrown: unknown) => [thrown])
    return failed
  }

  /** Sorts by time, and by the order within a process. */
  #stamp(name: string): string {
    const pad = (number: number, digits: number) => String(number).padStart(digits, '0')
    return `${pad(this.#clock.now(), 15)}-${pad(++this.#stamps, 10)}-${name}`
  }
}

export function capabilitiesOf(queueType: QueueType, maxLeaseMs: number): Capabilities {
  return {
    durability: queueType === 'quorum' ? 'replicated' : 'disk',
    sharedByProcesses: true,
    bounds: 'approximate',
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    maxDelayMs: Number.POSITIVE_INFINITY,
    maxLeaseMs,
    leases: 'connection',
    uniqueIds: false,
    priority: queueType === 'classic' ? 'strict' : 'none',
    ...(queueType === 'classic' && { priorities: PRIORITIES }),
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
    wake: 'event',
  }
}
