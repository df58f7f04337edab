/** The `memory:` backend: a `MemoryStore` behind the port. */

import type { Clock } from '../../clock.ts'
import { systemClock } from '../../clock.ts'
import { ForebayError } from '../../errors.ts'
import { applyStep, type Step } from '../../flow/shared-steps.ts'
import { ClaimLine } from '../claim-line.ts'
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
import type { Applied, SharedState } from '../shared-state.ts'
import { MemoryStore } from './memory-store.ts'

export const CAPABILITIES: Capabilities = {
  durability: 'none',
  sharedByProcesses: false,
  bounds: 'exact',
  maxPayloadBytes: Infinity,
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

/** A store and the claims that wait for it: what all who open the same named queue share. */
class SharedQueue {
  readonly store: MemoryStore
  readonly line: ClaimLine
  readonly clock: Clock
  /** What all consumers keep together. */
  readonly cells = new Map<string, string>()
  #timer: { readonly due: number; readonly cancel: () => void } | undefined
  users = 0

  constructor(clock: Clock) {
    this.clock = clock
    this.store = new MemoryStore(clock)
    this.line = new ClaimLine(clock)
  }

  /** Grants what is ready to those who wait, and sets the timer for what falls due next. Call it after every change. */
  serve(): void {
    for (const waiter of this.line) {
      if (!this.store.hasReady) break
      const claims = this.store.claim(waiter.request)
      // Who gets nothing may be kept from it by limits of its own.
      if (claims.length > 0) waiter.finish(claims)
    }
    const due = this.line.size > 0 ? this.store.nextDue : undefined
    if (this.#timer?.due === due) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (due === undefined) return
    const fire = () => {
      this.#timer = undefined
      this.serve()
    }
    const cancel = this.clock.after(due - this.clock.monotonic(), fire, { background: true })
    this.#timer = { due, cancel }
  }
}

const named = new Map<string, SharedQueue>()

export interface MemoryOptions {
  /** Services of one process that are opened with the same name and queue share their tasks. Default: shared with none. */
  readonly name?: string
  /** Default `default`. */
  readonly queue?: string
  /** Where time comes from. Default: the system. Of a shared queue: the first opener's. */
  readonly clock?: Clock
}

/** Opens a queue in this process's memory. */
export function openMemory(options: MemoryOptions = {}): MemoryQueueService {
  return new MemoryQueueService(options)
}

export class MemoryQueueService implements QueueService {
  readonly backend = 'memory'
  readonly capabilities = CAPABILITIES
  readonly #shared: SharedQueue
  readonly #sharedKey: string | undefined
  #closed = false

  constructor(options: MemoryOptions = {}) {
    const { name, queue = 'default', clock = systemClock } = options
    this.#sharedKey = name === undefined ? undefined : JSON.stringify([name, queue])
    this.#shared = (this.#sharedKey !== undefined && named.get(this.#sharedKey)) || new SharedQueue(clock)
    this.#shared.users++
    if (this.#sharedKey !== undefined) named.set(this.#sharedKey, this.#shared)
  }

  async push(tasks: readonly NewTask[], bounds: Bounds = {}): Promise<PushResult[]> {
    return this.#change((store) => store.push(tasks, bounds))
  }

  async claim(request: ClaimRequest): Promise<Claim[]> {
    const { store, line } = this.#open()
    // Those who wait come first, also for what falls due at this very moment.
    this.#shared.serve()
    const claims = store.claim(request)
    if (claims.length > 0 || request.waitMs <= 0 || request.signal?.aborted) return claims
    const answer = line.join(request, this)
    this.#shared.serve()
    return answer
  }

  async settle(settlements: readonly Settlement[]): Promise<SettleResult[]> {
    return this.#change((store) => store.settle(settlements))
  }

  async extend(claims: readonly ClaimRef[], leaseMs: number): Promise<ExtendResult[]> {
    return this.#change((store) => store.extend(claims, leaseMs))
  }

  async depth(newcomer?: Newcomer): Promise<Depth> {
    return this.#open().store.depth(newcomer)
  }

  async find(ids: readonly string[]): Promise<(FoundTask | undefined)[]> {
    const { store } = this.#open()
    return ids.map((id) => store.find(id))
  }

  readonly shared: SharedState = {
    apply: async <S extends Step>(cell: string, step: S): Promise<Applied<S>> => {
      const { cells, clock } = this.#open()
      const now = clock.monotonic()
      const [next, result] = applyStep(cells.get(cell), step, now)
      cells.set(cell, next)
      return { result, now, ahead: 0 }
    },
  }

  readonly dead: DeadLetters = {
    list: async (page) => this.#open().store.dead.list(page),
    redrive: async (which) => this.#change((store) => store.redrive(which)),
    drop: async (which) => this.#change((store) => store.drop(which)),
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#shared.line.end(this)
    this.#shared.serve()
    this.#shared.users--
    if (this.#sharedKey !== undefined && this.#shared.users === 0) named.delete(this.#sharedKey)
  }

  #change<Result>(change: (store: MemoryStore) => Result): Result {
    const shared = this.#open()
    const result = change(shared.store)
    shared.serve()
    return result
  }

  #open(): SharedQueue {
    if (this.#closed) throw new ForebayError('QUEUE_CLOSED', 'The queue was closed; nothing was done.')
    return this.#shared
  }
}
