/**
 * The port that every backend implements. How each method maps to eight engines: docs/design/port.md.
 *
 * The rules of the port:
 * - **Batch first.** Every method that a task passes takes many; the layers above group concurrent calls.
 * - **Durations in, stamps out.** Callers pass spans (`delayMs`, `leaseMs`); the engine owns the time at which they end,
 *   so two machines with different clocks agree. Stamps that come back are the engine's.
 * - **Results, not exceptions,** for what can happen to one task of a batch (full, duplicate, stale). A rejected promise
 *   means that the engine could not be asked, and that nothing is known of the whole batch; it carries a `ForebayError`.
 * - **A backend only moves tasks.** Retry counting, backoff, expiry and dead-lettering are decided above.
 * - **Tokens fence.** Each grant of a task carries a token; a settlement with any other than the latest is `stale` and
 *   changes nothing.
 * - All methods may be called concurrently. After `close()` they reject with `QUEUE_CLOSED`.
 */

import type { ForebayError } from '../errors.ts'
import type { DeadReason, FailedAttempt, TaskId } from '../task.ts'
import type { SharedState } from './shared-state.ts'

/** A task on its way into a backend: validated, its payload already JSON text. */
export interface NewTask {
  readonly id: TaskId
  /** A hint: the id was made for this task, so that no other has it. Default false. */
  readonly isFresh?: boolean
  readonly type: string
  readonly payload: string
  readonly priority: number
  readonly key?: string
  /** Becomes ready only when no earlier ordered task of its key is queued. Needs a key. Default false. */
  readonly ordered?: boolean
  /**
   * The weight of its key, above 0: it then waits in its key's own line, and the lines are served fairly (flow/fair-order.ts).
   * Undefined: it waits in the common line, which is one line among the others, of weight 1. Needs a key.
   */
  readonly weight?: number
  /** What its start costs of a rate that counts costs, and what its key's line is charged. Default 1. */
  readonly cost?: number
  readonly delayMs: number
  readonly ttlMs?: number
  readonly dedup?: Dedup
  readonly headers?: Readonly<Record<string, string>>
}

export interface Dedup {
  readonly id: string
  /** How long the id is remembered, from the push on, also after the task is gone. */
  readonly windowMs: number
}

/** A bounded queue's bounds: counted over ready, delayed and in-flight tasks; dead letters do not count. */
export interface Bounds {
  readonly maxDepth?: number
  /** Bytes of payload. */
  readonly maxBytes?: number
  /**
   * What gives way at a bound. `reject`: the newcomer is `full`. `drop-oldest`: the ready task that was pushed first.
   * `drop-lowest-priority`: the ready task of the lowest priority that was pushed last, if that is lower than the newcomer's.
   * What is dropped is gone, counted as dropped. If nothing can give way the newcomer is `full`. Default `reject`.
   */
  readonly overflow?: 'reject' | 'drop-oldest' | 'drop-lowest-priority'
}

export type PushResult =
  /** Durable, as `capabilities.durability` says. `dropped` had to give way to it. */
  | { readonly status: 'accepted'; readonly id: TaskId; readonly dropped?: readonly TaskId[] }
  /** Nothing stored: a task with this id is queued, or the dedup id was seen within its window. `id` is the first one's. */
  | { readonly status: 'duplicate'; readonly id: TaskId }
  /** Nothing stored: the dedup id was seen with another type or payload. `id` is the first one's. */
  | { readonly status: 'conflict'; readonly id: TaskId }
  /** Nothing stored: it would not fit. */
  | { readonly status: 'full'; readonly bound: 'depth' | 'bytes' }

export interface ClaimRequest {
  /** At most this many, at least 1. */
  readonly max: number
  readonly leaseMs: number
  /** How long to wait for the first task if none is ready. 0 answers at once. */
  readonly waitMs: number
  /** Ends the wait early: the call resolves with what it was granted, possibly nothing. A grant is never lost. */
  readonly signal?: AbortSignal
  /** For each key that has its own line (`weight`), over all processes. The last claim's limits rule. Default: none. */
  readonly perKey?: KeyLimits
}

/** A key at one of its limits is passed over: it holds up no other. */
export interface KeyLimits {
  /** So many in flight at once. */
  readonly concurrency?: number
  /** So many grants a second, evenly spaced. */
  readonly perSecond?: number
}

export interface StoredTask {
  readonly id: TaskId
  readonly type: string
  readonly payload: string
  readonly createdAt: number
  /** Attempts granted so far; in a claim, this one included. Releases do not count. */
  readonly attempts: number
  readonly priority: number
  readonly key?: string
  readonly cost: number
  /** As they were pushed. */
  readonly ordered?: boolean
  readonly ttlMs?: number
  readonly headers: Readonly<Record<string, string>>
  readonly failures: readonly FailedAttempt[]
}

/** Names one grant of one task. */
export interface ClaimRef {
  readonly id: TaskId
  /** Opaque. Changes with every grant, and on some engines with every extension. */
  readonly token: string
}

export interface Claim extends ClaimRef {
  readonly task: StoredTask
  /** How long it has been waiting since it was due, by the engine's clock, milliseconds. */
  readonly waitedMs: number
  /** Whether its `ttlMs` had passed when it was granted: then it must not start, and is settled as `expire`. */
  readonly expired: boolean
}

export type Settlement = { readonly claim: ClaimRef } & (
  | { readonly outcome: 'complete'; readonly keep?: KeptResult }
  /** Due again after `delayMs`; the failure is kept with the task where the engine can. */
  | { readonly outcome: 'retry'; readonly delayMs: number; readonly failure: FailedAttempt }
  | { readonly outcome: 'dead'; readonly reason: DeadReason; readonly failure?: FailedAttempt }
  /** Gone without having run. */
  | { readonly outcome: 'expire' }
  /** Back as if never granted: the attempt is taken back. */
  | { readonly outcome: 'release'; readonly delayMs: number }
)

/** A result that outlives its task. */
export interface KeptResult {
  /** JSON text. */
  readonly result: string
  readonly keepMs: number
}

export type SettleResult =
  | { readonly status: 'settled' }
  /** The lease was lost, or this very settlement was already made: nothing changed. */
  | { readonly status: 'stale' }
  | { readonly status: 'failed'; readonly error: ForebayError }

export type ExtendResult =
  /** The lease now ends `leaseMs` from now; `token` is the one to go on with. */
  { readonly status: 'extended'; readonly token: string } | { readonly status: 'stale' }

/** How full a queue is. `undefined` where the engine cannot say. */
export interface Depth {
  readonly ready: number
  /** Those that wait for an earlier task of their key included. */
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  /** Since the oldest ready task was due, milliseconds; 0 if none is ready. */
  readonly oldestReadyAgeMs: number | undefined
  /** Payload bytes of ready, delayed and in-flight tasks. */
  readonly bytes: number | undefined
  /** Since the queue was made. */
  readonly totals: Totals | undefined
  /** How many ready tasks are to be granted before the newcomer that was asked about; undefined if none was, or it can't say. */
  readonly ahead?: number
}

/** A task that might be pushed now, as far as its place depends on it. */
export type Newcomer = Pick<NewTask, 'key' | 'weight' | 'priority'>

/** accepted = ready + delayed + inFlight + dead + completed + expired + dropped, always. */
export interface Totals {
  readonly accepted: number
  readonly completed: number
  readonly expired: number
  readonly dropped: number
}

export type FoundTask =
  | { readonly state: 'ready' | 'delayed' | 'inFlight'; readonly task: StoredTask }
  | { readonly state: 'dead'; readonly task: StoredTask; readonly reason: DeadReason; readonly deadAt: number }
  | { readonly state: 'completed'; readonly id: TaskId; readonly completedAt: number; readonly result: string }

export interface DeadLetter {
  readonly task: StoredTask
  readonly reason: DeadReason
  readonly deadAt: number
}

export interface DeadPage {
  readonly items: readonly DeadLetter[]
  /** Pass it as `after` for the next page; undefined on the last. */
  readonly next: string | undefined
}

export interface DeadLetters {
  /** Oldest first. */
  list(page: { readonly limit: number; readonly after?: string }): Promise<DeadPage>
  /** Makes them ready again with no attempts and their failures kept; resolves with how many. Unknown ids are passed over. */
  redrive(which: readonly TaskId[] | 'all'): Promise<number>
  /** Forgets them; resolves with how many. */
  drop(which: readonly TaskId[] | 'all'): Promise<number>
}

/** What a backend can promise: asked at start-up, never discovered by failure. */
export interface Capabilities {
  /** What an acknowledged push survives. `none`: nothing; `process`: our processes' death; `disk`: power loss. */
  readonly durability: 'none' | 'process' | 'disk' | 'replicated'
  /** Whether several processes can share one queue. */
  readonly sharedByProcesses: boolean
  /** Whether `Bounds` are kept exactly, or as well as an approximate depth allows. */
  readonly bounds: 'exact' | 'approximate'
  readonly maxPayloadBytes: number
  /** The longest `delayMs` of push, retry and release; Infinity: any. */
  readonly maxDelayMs: number
  /** The longest lease, extensions included; Infinity: any. */
  readonly maxLeaseMs: number
  /** `timed`: a lease ends at its time; `connection`: or with its holder's connection, if that is sooner. Default `timed`. */
  readonly leases?: 'timed' | 'connection'
  /** Whether the push of an id that is queued, in flight or dead is a `duplicate`; if not it is a second task. Default true. */
  readonly uniqueIds?: boolean
  /** `exact`: tasks of one priority are granted in the order in which they became ready; `about`: mostly so. Default `exact`. */
  readonly order?: 'exact' | 'about'
  /** Whether pushes that are under way together are done in the order of their calls. Default false: the queue makes one at a time. */
  readonly pushesInOrder?: boolean
  /** `free`: a release takes the attempt back; `counted`: the engine has counted it, and it stays. Default `free`. */
  readonly releases?: 'free' | 'counted'
  /** `aged`: higher first, and waiting tasks age; `strict`: higher first, always; `none`. */
  readonly priority: 'aged' | 'strict' | 'none'
  /** The priorities that are told apart. Default: all. */
  readonly priorities?: { readonly least: number; readonly greatest: number }
  /** Whether `ordered` tasks with one key run one after another, in the order of their push. */
  readonly keyOrder: boolean
  /** Whether each key's line (`weight`) gets its fair share. */
  readonly fairness: boolean
  /** Whether a claim's `perKey` limits are kept. */
  readonly keyLimits: boolean
  /** Whether the bounds' `overflow` may drop tasks. */
  readonly eviction: boolean
  /** Whether `depth` can tell a newcomer's place. */
  readonly ahead: boolean
  /** Whether `push` can be part of the caller's own transaction. */
  readonly transactions: boolean
  /** The longest dedup window; 0: none. */
  readonly maxDedupWindowMs: number
  /** Whether `find` can look up a queued task, and whether `keep` results are kept. */
  readonly find: boolean
  readonly results: boolean
  /** Whether failures of earlier attempts are kept with the task. */
  readonly failures: boolean
  /** `event`: a parked claim wakes at once; `poll`: within the engine's polling interval. */
  readonly wake: 'event' | 'poll'
}

/** An engine's own rate, over all processes: the outer bound of what the consumers start. */
export interface OwnRate {
  /** No more is delivered: a consumer's rate above it is refused. */
  readonly mostPerSecond: number
  /** From now on so many a second; at most `mostPerSecond`, whatever is asked for. */
  keep(perSecond: number): Promise<void>
}

export interface QueueService {
  /** For messages: `sqlite`, `memory`, ... */
  readonly backend: string
  readonly capabilities: Capabilities
  /**
   * Stores the tasks, in order, each on its own merits; resolves when they are durable.
   * @param transaction The caller's own client of this engine, within a transaction: the tasks are there when it commits.
   */
  push(tasks: readonly NewTask[], bounds?: Bounds, transaction?: unknown): Promise<PushResult[]>
  /** Grants ready tasks, in the queue's order, each under a fresh token. An empty answer means that the wait is over. */
  claim(request: ClaimRequest): Promise<Claim[]>
  /** Ends claims. Resolves when the outcomes are as durable as a push. */
  settle(settlements: readonly Settlement[]): Promise<SettleResult[]>
  /** Prolongs leases: each then ends `leaseMs` from now. */
  extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]>
  /** @param newcomer Tells its place as well. */
  depth(newcomer?: Newcomer): Promise<Depth>
  /** What is known of each id; undefined for nothing. */
  find(ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]>
  readonly dead: DeadLetters
  /** What all consumers of the queue keep together (rate, concurrency); undefined where the engine has no atomic state. */
  readonly shared?: SharedState
  /** The rate of an engine that delivers by itself, which follows the consumers'; undefined where tasks are only claimed. */
  readonly ownRate?: OwnRate
  /** Ends waits, lets go of the engine; works twice. Leased tasks stay leased until their leases end. */
  close(): Promise<void>
}
