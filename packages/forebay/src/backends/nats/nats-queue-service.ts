/** The `nats:` backend: a queue in JetStream behind the port. */

import type { NatsConnection } from '@nats-io/transport-node'
import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { Step } from '../../flow/shared-steps.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { TaskId } from '../../task.ts'
import { UnderWay } from '../../under-way.ts'
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
import type { Applied, SharedState } from '../shared-state.ts'
import { Claims } from './claims.ts'
import { connect, type Credentials } from './connect.ts'
import { StoredDeadLetters } from './dead-letters.ts'
import { DueNotes } from './due-notes.ts'
import { JetStream } from './jetstream.ts'
import { Leases } from './leases.ts'
import { depth, find } from './looking.ts'
import { anchorNewStream } from './first-anchor.ts'
import { fromNats, isGone } from './nats-errors.ts'
import { loadNatsPackage } from './nats-package.ts'
import { Patrol } from './patrol.ts'
import { push } from './pushing.ts'
import { QueueNames } from './queue-names.ts'
import { RequestDesk } from './request-desk.ts'
import { Settling } from './settling.ts'
import { SharedCells } from './shared-cells.ts'
import { Store } from './store.ts'
import { MARKS_LAST_MS, Streams } from './streams.ts'
import { inWindows } from './windows.ts'

/** Of a message, for all that is said of a task besides its payload: headers, key, the failures of its attempts. */
const FACTS_BYTES = 65_536

/** For one call: something else may go while what was gone is made. */
const MOST_RESTORES = 2

const DEFAULTS = {
  servers: ['localhost:4222'],
  queue: 'default',
  prefix: 'forebay',
  replicas: 1,
  timeoutMs: 5_000,
} as const

export interface NatsOptions extends Credentials {
  /** `host:port`s of one server or cluster. Default `localhost:4222`. */
  readonly servers?: readonly string[]
  /** A connection of your own, in the place of `servers` and credentials: it stays yours, and open. */
  readonly connection?: NatsConnection
  /** Default `default`. */
  readonly queue?: string
  /** Begins the names of the streams and subjects: letters, digits, `_` and `-`. Default `forebay`. */
  readonly prefix?: string
  /** Of each stream, in a cluster. Default 1. Counts when the streams are made. */
  readonly replicas?: number
  /**
   * What the server's configuration makes of an acknowledgement: `disk` if it says `sync_interval: always`. Default `process`:
   * as it comes, a server syncs two minutes later. Several replicas are `replicated`.
   */
  readonly durability?: 'process' | 'disk'
  /** How long an answer of the server is waited for, ms. Default 5,000. */
  readonly timeoutMs?: number
  /** Begins the inbox of a connection of your own, if its permissions ask for it. */
  readonly inboxPrefix?: string
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** Where jitter and the names of new streams come from. Default: the system's source. */
  readonly random?: RandomSource
}

/**
 * Opens a queue in NATS JetStream; makes its streams if they are not there.
 *
 * @throws ForebayError `BACKEND_UNAVAILABLE`, `UNSUPPORTED` (a stream is so configured that it could lose tasks),
 * `INVALID_OPTION`, `MISSING_PACKAGE`.
 */
export async function openNats(options: NatsOptions = {}): Promise<NatsQueueService> {
  const { queue, prefix, replicas, servers, timeoutMs } = { ...DEFAULTS, ...options }
  const { clock = systemClock, random = systemRandom, durability = 'process', connection: given } = options
  checkOptions(prefix, replicas)
  const natsPackage = await loadNatsPackage()
  const connection = given ?? (await connect(natsPackage, servers, options, random))
  const desk = new RequestDesk(connection, natsPackage, clock, timeoutMs, options.inboxPrefix)
  const release = async () => {
    desk.close()
    if (!given) await connection.close()
  }
  try {
    const jetstream = new JetStream(desk)
    const streams = new Streams(jetstream, new QueueNames(prefix, queue), random, replicas)
    const tasks = await streams.ensure()
    const capabilities = capabilitiesOf(durability, desk.maxPayloadBytes)
    const store = new Store(jetstream, streams, tasks, clock)
    const cells = new SharedCells(jetstream, store.names, store.time, clock, random)
    await store.time.now()
    await anchorNewStream(store, clock)
    const onReconnect = (listener: () => void) => desk.onReconnect(listener)
    return new NatsQueueService({ store, cells, clock, queue, capabilities, onReconnect, release })
  } catch (thrown) {
    await release()
    throw fromNats(thrown)
  }
}

interface Opened {
  readonly store: Store
  readonly cells: SharedCells
  readonly clock: Clock
  readonly queue: string
  readonly capabilities: Capabilities
  readonly onReconnect: (listener: () => void) => void
  /** Lets go of the connection. */
  readonly release: () => Promise<void>
}

/** Made by `openNats`. */
export class NatsQueueService implements QueueService {
  readonly backend = 'nats'
  readonly capabilities: Capabilities
  readonly #store: Store
  readonly #cells: SharedCells
  readonly #queue: string
  readonly #release: () => Promise<void>
  readonly #leases: Leases
  readonly #claims: Claims
  readonly #settling: Settling
  readonly #dueNotes: DueNotes
  readonly #patrol: Patrol
  readonly #dead: StoredDeadLetters
  readonly #underWay = new UnderWay()
  #restoring: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Tasks were lost, and nobody was told yet. */
  #loss: ForebayError | undefined

  constructor({ store, cells, clock, queue, capabilities, onReconnect, release }: Opened) {
    this.capabilities = capabilities
    this.#store = store
    this.#cells = cells
    this.#queue = queue
    this.#release = release
    const restore = async () => {
      await this.#restore()
      this.#tellOfLoss()
    }
    this.#leases = new Leases(store, clock)
    this.#claims = new Claims(store, this.#leases, clock, restore)
    this.#settling = new Settling(store, this.#leases, clock)
    this.#dueNotes = new DueNotes(store, clock, () => this.#restore())
    this.#dead = new StoredDeadLetters(store)
    this.#patrol = new Patrol(store, clock)
    onReconnect(() => {
      store.reconnected()
      this.#patrol.serverIsBack()
    })
    void this.#dueNotes.run()
    void this.#patrol.run()
  }

  push(tasks: readonly NewTask[], bounds: Bounds = {}): Promise<PushResult[]> {
    return this.#run(() => push(this.#store, tasks, bounds))
  }

  claim(request: ClaimRequest): Promise<Claim[]> {
    return this.#run(() => this.#claims.claim(request))
  }

  settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#run(async () => {
      const results: SettleResult[] = []
      const each = settlements.map((settlement, index) => ({ settlement, index }))
      await inWindows(each, sizeOf, async ({ settlement, index }) => {
        results[index] = await this.#settling.settle(settlement)
      })
      return results
    })
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#run(() => Promise.all(claims.map((claim) => this.#leases.extend(claim, leaseMs))))
  }

  depth(): Promise<Depth> {
    return this.#run(async () => {
      await this.#leases.putBackOver()
      return depth(this.#store)
    })
  }

  find(ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#run(async () => {
      await this.#leases.putBackOver()
      return find(this.#store, ids)
    })
  }

  readonly shared: SharedState = {
    apply: <S extends Step>(cell: string, step: S): Promise<Applied<S>> =>
      this.#run(() => this.#cells.apply(cell, step)),
  }

  readonly dead: DeadLetters = {
    list: (page) => this.#run(() => this.#dead.list(page)),
    redrive: (which) => this.#run(() => this.#dead.redrive(which)),
    drop: (which) => this.#run(() => this.#dead.drop(which)),
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#patrol.close()
    await Promise.all([this.#claims.close(), this.#dueNotes.close(), this.#underWay.idle()])
    this.#leases.close()
    this.#store.close()
    await this.#release()
  }

  /** What is gone is made anew, and then the work is done once more. */
  async #run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#closing) throw closed()
    this.#tellOfLoss()
    this.#underWay.begin()
    try {
      return await this.#withRestore(work)
    } catch (thrown) {
      throw fromNats(thrown)
    } finally {
      this.#underWay.end()
    }
  }

  async #withRestore<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let restored = 0; ; restored++) {
      try {
        return await work()
      } catch (thrown) {
        if (!isGone(thrown) || restored === MOST_RESTORES) throw thrown
      }
      await this.#restore()
      this.#tellOfLoss()
    }
  }

  /** Makes streams and consumers that are gone. If tasks went with them, the next call says so. */
  #restore(): Promise<void> {
    this.#restoring ??= this.#store
      .restore()
      .then((isAnother) => {
        this.#patrol.hurry()
        if (!isAnother) return
        this.#leases.dropAll()
        const message = `The stream with the tasks of queue "${this.#queue}" is gone: somebody deleted it, or the server lost its files, and the tasks in it with it. It was made anew; nothing of this call was done.`
        this.#loss = new ForebayError('BACKEND_UNAVAILABLE', message)
      })
      .finally(() => {
        this.#restoring = undefined
      })
    return this.#restoring
  }

  #tellOfLoss(): void {
    const loss = this.#loss
    this.#loss = undefined
    if (loss) throw loss
  }
}

function sizeOf({ settlement }: { readonly settlement: Settlement }): number {
  // A task that goes on is stored anew, with its payload.
  return 'task' in settlement.claim ? (settlement.claim as Claim).task.payload.length : 1
}

function closed(): ForebayError {
  return new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
}

function checkOptions(prefix: string, replicas: number): void {
  if (!/^[A-Za-z0-9_-]+$/.test(prefix)) {
    const message = `"${prefix}" can't begin the names of streams: letters, digits, "_" and "-".`
    throw new ForebayError('INVALID_OPTION', message, { path: 'prefix' })
  }
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= 5)) {
    throw new ForebayError('INVALID_OPTION', `replicas is 1 to 5, not ${replicas}.`, { path: 'replicas' })
  }
}

export function capabilitiesOf(durability: Capabilities['durability'], maxMessageBytes: number): Capabilities {
  return {
    durability,
    sharedByProcesses: true,
    bounds: 'approximate',
    maxPayloadBytes: Math.max(0, maxMessageBytes - FACTS_BYTES),
    maxDelayMs: Number.POSITIVE_INFINITY,
    maxLeaseMs: MARKS_LAST_MS,
    leases: 'timed',
    uniqueIds: true,
    priority: 'none',
    keyOrder: false,
    fairness: false,
    keyLimits: false,
    eviction: false,
    ahead: false,
    transactions: false,
    maxDedupWindowMs: MARKS_LAST_MS,
    find: true,
    results: true,
    failures: true,
    wake: 'event',
  }
}
