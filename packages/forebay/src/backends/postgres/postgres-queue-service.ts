/** The `postgres:` backend: a queue in a PostgreSQL database, behind the port. */

import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import type { Step } from '../../flow/shared-steps.ts'
import { type RandomSource, systemRandom } from '../../random.ts'
import type { TaskId } from '../../task.ts'
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
  KeyLimits,
  NewTask,
  Newcomer,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import { aheadOf } from '../ahead.ts'
import type { SharedState } from '../shared-state.ts'
import { type AheadRow, newcomerParameters, readSaid } from './ahead.ts'
import { int4Array, textArray } from './array-params.ts'
import { applyToCell } from './cells.ts'
import { channelOf } from './channel.ts'
import { ClaimStart } from './claim-start.ts'
import { type ClaimRow, type Granted, grantedOf } from './claiming.ts'
import { callOf, Database } from './database.ts'
import { deadLetters } from './dead-letters.ts'
import type { PgPool } from './driver.ts'
import { FreshPush } from './fresh-push.ts'
import { EvictionIndexes } from './eviction-indexes.ts'
import { type DepthRow, depthOf, type FindRow, foundOf } from './looking.ts'
import { PostgresClaims } from './postgres-claims.ts'
import { checkSchema } from './postgres-url.ts'
import { distinctRuns, type PushRow, pushParameters, pushResults } from './pushing.ts'
import { askable, extendResults, refParameters, settleCall, settleResults, type SettleRow } from './settling.ts'
import { toStored } from './stored-text.ts'
import { clientOf, runWithin } from './transactions.ts'
import { Upkeep } from './upkeep.ts'
import type { OnWork, WorkNews } from './work-news.ts'

const DEFAULTS = { queue: 'default', schema: 'forebay', connections: 8, timeoutMs: 10_000 } as const

export interface PostgresOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Give either this or `pool`. */
  readonly url?: string
  /** A `Pool` of the package `pg`. It stays open; one more connection with its options listens for work. */
  readonly pool?: PgPool
  /** Default `default`. One schema holds many queues. */
  readonly queue?: string
  /** Where the tables are; made if it does not exist. Default `forebay`. */
  readonly schema?: string
  /** So many connections at most, for all queues of this process with the same URL, and one that listens. Default 8. */
  readonly connections?: number
  /** How long to wait for a connection, and for an answer, milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  /** Times the waits of this process; what falls due when is the server's clock's to say. Default: the system. */
  readonly clock?: Clock
  /** Spreads repeated tries. Default: the system's source. */
  readonly random?: RandomSource
}

/**
 * Opens a queue in a PostgreSQL database.
 *
 * @throws ForebayError `INVALID_OPTION`, `INVALID_URL`, `UNSUPPORTED` (a newer version's schema, a server before 13),
 * `MISSING_PACKAGE`, `BACKEND_UNAVAILABLE`, `DISK_FULL`, `BACKEND_LOCKED`.
 */
export async function openPostgres(options: PostgresOptions): Promise<PostgresQueueService> {
  const { url, pool, queue, schema, connections, timeoutMs } = { ...DEFAULTS, ...options }
  const { clock = systemClock, random = systemRandom } = options
  if ((url === undefined) === (pool === undefined)) {
    throw new ForebayError('INVALID_OPTION', 'The postgres backend needs a url or a pool, and not both.', {
      path: 'url',
    })
  }
  const source = url === undefined ? { pool: pool as PgPool } : { url, connections }
  const database = await Database.open({ source, schema: checkSchema(schema), timeoutMs, clock, random })
  try {
    return new PostgresQueueService(database, await database.queueNumber(queue), clock)
  } catch (thrown) {
    await database.release()
    throw thrown
  }
}

/** Made by `openPostgres`. */
export class PostgresQueueService implements QueueService {
  readonly backend = 'postgres'
  readonly capabilities: Capabilities
  readonly dead: DeadLetters
  readonly #database: Database
  readonly #queue: number
  readonly #clock: Clock
  readonly #start = new ClaimStart()
  readonly #claims: PostgresClaims
  readonly #fresh: FreshPush
  readonly #news: WorkNews
  readonly #upkeep: Upkeep
  readonly #evictionIndexes: EvictionIndexes
  #stopHearing: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(database: Database, queue: number, clock: Clock) {
    this.capabilities = capabilitiesOf(database.durability)
    this.#database = database
    this.#queue = queue
    this.#clock = clock
    this.#news = database.newsOf(queue)
    this.#fresh = new FreshPush(database, queue)
    const { listener } = database
    this.#claims = new PostgresClaims({ clock, ask: this.#ask, isHearing: () => listener.isListening })
    this.#evictionIndexes = new EvictionIndexes(database)
    this.#upkeep = new Upkeep(async () => (await this.#call('upkeep', []))[0]?.[0] === true)
    this.dead = deadLetters(
      async (name, values) => this.#callOpen(name, values),
      (low) => this.#tell(low),
    )
  }

  async push(tasks: readonly NewTask[], bounds: Bounds = {}, transaction?: unknown): Promise<PushResult[]> {
    this.#checkOpen()
    if (transaction !== undefined) return this.#pushWithin(transaction, tasks, bounds)
    const results: PushResult[] = []
    for (const run of distinctRuns(tasks)) {
      const rank = await this.#fresh.push(run, bounds)
      const row: PushRow = rank === undefined ? await this.#pushAny(run, bounds) : [null, null, rank]
      const [statuses, , low] = row
      results.push(...pushResults(run, row))
      if (statuses?.every((status) => status !== 0)) continue
      this.#tell(low ?? Number.POSITIVE_INFINITY)
      this.#upkeep.count()
    }
    return results
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    this.#checkOpen()
    this.#stopHearing ??= this.#news.on(this.#onWork)
    return this.#claims.claim(request)
  }

  async settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    this.#checkOpen()
    const asked = askable(settlements.map(({ claim }) => claim))
    if (asked.indexes.length === 0) return settleResults(settlements.length, asked, null)
    const [row] = await this.#call(...settleCall(asked, settlements))
    const [held, woken, low] = row as SettleRow
    if (woken) this.#tell(low ?? Number.POSITIVE_INFINITY)
    this.#upkeep.count()
    return settleResults(settlements.length, asked, held)
  }

  async extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    this.#checkOpen()
    const asked = askable(claims)
    if (asked.indexes.length === 0) return extendResults(claims, asked, null)
    const [row] = await this.#call('extend', [...refParameters(asked), leaseMs])
    return extendResults(claims, asked, (row as [string[] | null])[0])
  }

  async depth(newcomer?: Newcomer): Promise<Depth> {
    const ahead = newcomer && (await this.#ahead(newcomer))
    const [row] = await this.#callOpen('depth', [])
    this.#upkeep.count(Number((row as DepthRow)[10]))
    return { ...depthOf(row as DepthRow), ...(ahead !== undefined && { ahead }) }
  }

  async find(ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    const rows = await this.#callOpen('find', [textArray(ids.map(toStored))])
    return foundOf(ids.length, rows as FindRow[])
  }

  readonly shared: SharedState = {
    apply: async <S extends Step>(cell: string, step: S) => {
      this.#checkOpen()
      return applyToCell(this.#database, this.#queue, cell, step)
    },
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#claims.end()
    this.#stopHearing?.()
    await this.#upkeep.done()
    await this.#evictionIndexes.done()
    await this.#database.release()
  }

  async #ahead(newcomer: Newcomer): Promise<number> {
    const rows = (await this.#callOpen('ahead', newcomerParameters(newcomer))) as AheadRow[]
    const low = rows[0]?.[3]
    if (low !== null && low !== undefined) this.#tell(low)
    return aheadOf(readSaid(rows), newcomer.priority)
  }

  async #pushAny(run: readonly NewTask[], bounds: Bounds): Promise<PushRow> {
    const call = this.#pushCallOf(bounds)
    const [row] = await this.#call(call.name, [...pushParameters(run, bounds), true, undefined, ...call.more])
    return row as PushRow
  }

  async #pushWithin(transaction: unknown, tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
    const client = clientOf(transaction)
    const channel = channelOf(this.#database.schema, this.#queue)
    const results: PushResult[] = []
    const call = this.#pushCallOf(bounds)
    for (const run of distinctRuns(tasks)) {
      const values = [this.#queue, ...pushParameters(run, bounds), false, channel, ...call.more]
      const [row] = await runWithin(client, callOf(this.#database.schema, call.name, values))
      results.push(...pushResults(run, row as PushRow))
    }
    return results
  }

  /** The function that stores tasks within these bounds, and what it takes at the end. */
  #pushCallOf({ maxDepth, maxBytes, overflow = 'reject' }: Bounds): {
    readonly name: string
    readonly more: unknown[]
  } {
    if (overflow === 'reject' || (maxDepth === undefined && maxBytes === undefined)) return { name: 'push', more: [] }
    this.#evictionIndexes.need(overflow)
    return { name: 'push_dropping', more: [overflow] }
  }

  readonly #ask = async (shares: readonly number[], leaseMs: number, perKey: KeyLimits): Promise<Granted> => {
    const at = this.#clock.monotonic()
    const start = this.#start.at(at)
    const limits = [perKey.concurrency, perKey.perSecond]
    const rows = await this.#call('claim', [int4Array(shares), leaseMs, start.rank, start.since, ...limits])
    const granted = grantedOf(rows as ClaimRow[])
    const { claims, dueInMs, lastRank, low, seen, tookMs } = granted
    this.#start.looked({ start, at, tookMs, granted: claims.length, lastRank, seen })
    // What fell due and was not granted here is for others who wait; those must know when new leases end, too.
    if (low !== undefined && dueInMs === undefined) this.#news.tell(low, this.#onWork)
    return granted
  }

  readonly #onWork: OnWork = (low) => {
    this.#start.announced(low)
    this.#claims.wake()
  }

  #tell(low: number): void {
    this.#news.tell(low)
  }

  async #callOpen(name: string, values: unknown[]): Promise<unknown[][]> {
    this.#checkOpen()
    return this.#call(name, values)
  }

  #call(name: string, values: unknown[]): Promise<unknown[][]> {
    return this.#database.call(name, [this.#queue, ...values])
  }

  #checkOpen(): void {
    if (this.#closing) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
  }
}

export function capabilitiesOf(durability: 'process' | 'disk'): Capabilities {
  return {
    durability,
    sharedByProcesses: true,
    bounds: 'exact',
    maxPayloadBytes: 64 * 1024 * 1024,
    maxDelayMs: Number.POSITIVE_INFINITY,
    maxLeaseMs: Number.POSITIVE_INFINITY,
    leases: 'timed',
    uniqueIds: true,
    priority: 'aged',
    keyOrder: true,
    fairness: true,
    keyLimits: true,
    eviction: true,
    ahead: true,
    transactions: true,
    maxDedupWindowMs: Number.POSITIVE_INFINITY,
    find: true,
    results: true,
    failures: true,
    wake: 'event',
  }
}
