/** The `sqlite:` backend: a queue in a file, behind the port. */

import { type Clock, systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
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
  NewTask,
  Newcomer,
  PushResult,
  QueueService,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import type { Step } from '../../flow/shared-steps.ts'
import type { Applied, SharedState } from '../shared-state.ts'
import { DatabaseFile } from './database-file.ts'
import type {
  ClockReading,
  DeadPart,
  DeadPartDone,
  Durability,
  Operation,
  OperationName,
  Operations,
} from './operations.ts'
import { SqliteClaims } from './sqlite-claims.ts'

const LOCK_WAIT_MS = 5_000

/** So many dead letters are redriven or dropped in one transaction. */
const DEAD_AT_ONCE = 1_000

export interface SqliteOptions {
  /** Of the database file; made if it does not exist, in a folder that does. */
  readonly path: string
  /** Default `default`. One file holds many queues. */
  readonly queue?: string
  /** What an acknowledged enqueue survives. `full`: power loss; `normal`: our processes' death. Default `full`. */
  readonly durability?: Durability
  /** Where time comes from. Default: the system. */
  readonly clock?: Clock
  /** How long to wait for a lock that another process holds, milliseconds. Default 5,000. */
  readonly lockWaitMs?: number
}

/**
 * Opens a queue in a SQLite file.
 *
 * @throws ForebayError `BACKEND_LOCKED`, `BACKEND_CORRUPT`, `BACKEND_UNAVAILABLE`, `DISK_FULL`, `INVALID_URL` (the file is
 * another application's), `UNSUPPORTED` (a newer version's), `MISSING_PACKAGE`, `NODE_TOO_OLD`.
 */
export async function openSqlite(options: SqliteOptions): Promise<SqliteQueueService> {
  const { path, durability = 'full', lockWaitMs = LOCK_WAIT_MS } = options
  const file = await DatabaseFile.open({ path, durability, lockWaitMs })
  return new SqliteQueueService(file, { queue: 'default', clock: systemClock, ...options, durability })
}

type Opened = Required<Pick<SqliteOptions, 'queue' | 'clock' | 'durability'>>

/** Made by `openSqlite`. */
export class SqliteQueueService implements QueueService {
  readonly backend = 'sqlite'
  readonly capabilities: Capabilities
  readonly #file: DatabaseFile
  readonly #queue: string
  readonly #clock: Clock
  readonly #claims: SqliteClaims
  readonly #stopListening: () => void
  #closing: Promise<void> | undefined

  constructor(file: DatabaseFile, { queue, clock, durability }: Opened) {
    this.capabilities = capabilitiesOf(durability)
    this.#file = file
    this.#queue = queue
    this.#clock = clock
    this.#claims = new SqliteClaims(clock, async (requests) => {
      const granted = await this.#run('claim', { requests })
      // Others who wait must know when the new leases end.
      if (granted.grants.some((claims) => claims.length > 0)) this.#tell(this.#claims.wake)
      return granted
    })
    this.#stopListening = file.onWork(queue, this.#claims.wake)
  }

  async push(tasks: readonly NewTask[], bounds: Bounds = {}): Promise<PushResult[]> {
    const results = await this.#runOpen('push', { tasks, bounds })
    if (results.some(({ status }) => status === 'accepted')) this.#tell()
    return results
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    this.#checkOpen()
    return this.#claims.claim(request)
  }

  async settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    // The claim may carry its whole task, which need not travel back.
    const bare = settlements.map((settlement) => ({ ...settlement, claim: bareRef(settlement.claim) }))
    const { results, unblocked } = await this.#runOpen('settle', { settlements: bare })
    if (unblocked || settlements.some(({ outcome }) => outcome === 'retry' || outcome === 'release')) this.#tell()
    return results
  }

  async extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    const results = await this.#runOpen('extend', { claims: claims.map(bareRef), leaseMs })
    this.#tell()
    return results
  }

  async depth(newcomer?: Newcomer): Promise<Depth> {
    return this.#runOpen('depth', newcomer ? { newcomer } : {})
  }

  async find(ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
    return this.#runOpen('find', { ids })
  }

  readonly shared: SharedState = {
    apply: <S extends Step>(cell: string, step: S) => this.#runOpen('apply', { cell, step }) as Promise<Applied<S>>,
  }

  readonly dead: DeadLetters = {
    list: async ({ limit, after }) => this.#runOpen('listDead', { limit, ...(after === undefined ? {} : { after }) }),
    redrive: async (which) => {
      const count = await inParts(which, (part) => this.#runOpen('redrive', part))
      if (count > 0) this.#tell()
      return count
    },
    drop: async (which) => inParts(which, (part) => this.#runOpen('drop', part)),
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stopListening()
    this.#claims.end()
    await this.#file.release()
  }

  #tell(except?: () => void): void {
    this.#file.tellOfWork(this.#queue, except)
  }

  async #runOpen<Name extends OperationName>(
    name: Name,
    input: Operations[Name]['in'],
  ): Promise<Operations[Name]['out']> {
    this.#checkOpen()
    return this.#run(name, input)
  }

  #run<Name extends OperationName>(name: Name, input: Operations[Name]['in']): Promise<Operations[Name]['out']> {
    const operation = { name, ...input } as unknown as Operation & { readonly name: Name }
    return this.#file.run<Name>(this.#queue, operation, readingOf(this.#clock))
  }

  #checkOpen(): void {
    if (this.#closing) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
  }
}

function bareRef({ id, token }: ClaimRef): ClaimRef {
  return { id, token }
}

/** Many dead letters in several transactions; those that die meanwhile are left. */
async function inParts(
  which: readonly TaskId[] | 'all',
  act: (part: DeadPart) => Promise<DeadPartDone>,
): Promise<number> {
  let count = 0
  if (which === 'all') {
    let done = await act({ which, limit: DEAD_AT_ONCE })
    for (count = done.count; done.count === DEAD_AT_ONCE; count += done.count) {
      done = await act({ which, limit: DEAD_AT_ONCE, until: done.until })
    }
    return count
  }
  for (let at = 0; at < which.length; at += DEAD_AT_ONCE) {
    const part = which.slice(at, at + DEAD_AT_ONCE)
    count += (await act({ which: part, limit: DEAD_AT_ONCE })).count
  }
  return count
}

const injected = new WeakMap<Clock, string>()
let injectedClocks = 0

/** What the thread needs to know of a clock that it can't read itself. */
function readingOf(clock: Clock): ClockReading | undefined {
  if (clock === systemClock) return undefined
  let origin = clock.origin ?? injected.get(clock)
  if (origin === undefined) {
    origin = `injected ${process.pid} ${systemClock.monotonic()} ${++injectedClocks}`
    injected.set(clock, origin)
  }
  return { origin, monotonic: clock.monotonic(), now: clock.now() }
}

export function capabilitiesOf(durability: Durability): Capabilities {
  return {
    durability: durability === 'full' ? 'disk' : 'process',
    sharedByProcesses: true,
    bounds: 'exact',
    maxPayloadBytes: 64 * 1024 * 1024,
    maxDelayMs: Infinity,
    maxLeaseMs: Infinity,
    leases: 'timed',
    uniqueIds: true,
    priority: 'aged',
    keyOrder: true,
    fairness: true,
    keyLimits: true,
    eviction: true,
    ahead: true,
    transactions: false,
    maxDedupWindowMs: Infinity,
    find: true,
    results: true,
    failures: true,
    wake: 'event',
  }
}
