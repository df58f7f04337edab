/**
 * One queue's tasks in memory: a map by id, and heaps that give the next one to grant, the oldest ready one, and the
 * next one to fall due. Everything here happens at once; spans are by `monotonic()`, stamps by `now()`.
 */

import type { Clock } from '../../clock.ts'
import type {
  Bounds,
  Claim,
  ClaimRef,
  Depth,
  ExtendResult,
  FoundTask,
  NewTask,
  PushResult,
  Settlement,
  SettleResult,
  StoredTask,
} from '../queue-service.ts'
import { rankOf } from '../rank.ts'
import { DeadShelf } from './dead-shelf.ts'
import { type Entry, withFailure } from './entry.ts'
import { ExpiringMap } from './expiring-map.ts'
import { Heap } from './heap.ts'
import { KeyLines } from './key-lines.ts'

interface Remembered {
  readonly id: string
  readonly type: string
  readonly payload: string
}

/** Stands in for a task that is no more. */
const FORGOTTEN: StoredTask = {
  id: '',
  type: '',
  payload: '',
  createdAt: 0,
  attempts: 0,
  priority: 0,
  cost: 1,
  headers: {},
  failures: [],
}

const soonerDue = (a: Entry, b: Entry) => a.due < b.due || (a.due === b.due && a.order < b.order)

export class MemoryStore {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #readyByRank = new Heap<'atRank', Entry>(
    'atRank',
    (a, b) => a.rank < b.rank || (a.rank === b.rank && a.order < b.order),
  )
  readonly #readyByDue = new Heap<'atDue', Entry>('atDue', soonerDue)
  /** Delayed ones and those in flight. */
  readonly #waiting = new Heap<'atDue', Entry>('atDue', soonerDue)
  readonly #lines = new KeyLines()
  readonly #dead = new DeadShelf()
  readonly #dedup = new ExpiringMap<Remembered>()
  readonly #results = new ExpiringMap<FoundTask>()
  #order = 0
  #tokens = 0
  #bytes = 0
  #inFlight = 0
  readonly #totals = { accepted: 0, completed: 0, expired: 0, dropped: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  push(tasks: readonly NewTask[], bounds: Bounds): PushResult[] {
    const now = this.#clock.monotonic()
    return tasks.map((task) => this.#pushOne(task, bounds, now))
  }

  #pushOne(task: NewTask, bounds: Bounds, now: number): PushResult {
    const { id, type, payload, dedup } = task
    const first = dedup && this.#dedup.get(dedup.id, now)
    if (first) {
      const same = first.type === type && first.payload === payload
      return { status: same ? 'duplicate' : 'conflict', id: first.id }
    }
    if (this.#entries.has(id)) return { status: 'duplicate', id }
    const bytes = Buffer.byteLength(payload)
    const { maxDepth = Infinity, maxBytes = Infinity } = bounds
    if (this.#entries.size - this.#dead.size >= maxDepth) return { status: 'full', bound: 'depth' }
    if (this.#bytes + bytes > maxBytes) return { status: 'full', bound: 'bytes' }
    if (dedup) this.#dedup.set(dedup.id, { id, type, payload }, now + dedup.windowMs, now)
    this.#bytes += bytes
    this.#totals.accepted++
    const entry = newEntry(task, { order: this.#order++, bytes, now, createdAt: this.#clock.now() })
    this.#entries.set(id, entry)
    this.#enter(entry, task.delayMs, now)
    return { status: 'accepted', id }
  }

  /** Grants up to `max` ready tasks. */
  claim(max: number, leaseMs: number): Claim[] {
    const now = this.#clock.monotonic()
    this.#promote(now)
    const claims: Claim[] = []
    while (claims.length < max) {
      const entry = this.#readyByRank.pop()
      if (!entry) break
      this.#readyByDue.remove(entry)
      const waitedMs = now - entry.due
      entry.token = String(++this.#tokens)
      entry.task = { ...entry.task, attempts: entry.task.attempts + 1 }
      this.#wait(entry, 'inFlight', leaseMs, now)
      const { task, token } = entry
      claims.push({ id: task.id, token, task, waitedMs, expired: entry.expiresAt <= now })
    }
    return claims
  }

  /** When the next task falls due, by the monotonic clock; undefined if none is delayed or in flight. */
  get nextDue(): number | undefined {
    return this.#waiting.peek()?.due
  }

  settle(settlements: readonly Settlement[]): SettleResult[] {
    const now = this.#clock.monotonic()
    this.#promote(now)
    return settlements.map((settlement) => {
      const entry = this.#held(settlement.claim)
      if (!entry) return { status: 'stale' }
      this.#waiting.remove(entry)
      this.#inFlight--
      this.#settleOne(entry, settlement, now)
      return { status: 'settled' }
    })
  }

  #settleOne(entry: Entry, settlement: Settlement, now: number): void {
    const { task } = entry
    switch (settlement.outcome) {
      case 'complete': {
        this.#forget(entry, now)
        this.#totals.completed++
        if (!settlement.keep) return
        const { result, keepMs } = settlement.keep
        const found = { state: 'completed', id: task.id, completedAt: this.#clock.now(), result } as const
        this.#results.set(task.id, found, now + keepMs, now)
        return
      }
      case 'retry':
        entry.task = withFailure(task, settlement.failure)
        this.#wait(entry, 'delayed', settlement.delayMs, now)
        return
      case 'dead':
        entry.task = withFailure(task, settlement.failure)
        this.#bytes -= entry.bytes
        this.#dead.add(entry, settlement.reason, this.#clock.now())
        this.#unblockNext(entry, now)
        return
      case 'expire':
        this.#forget(entry, now)
        this.#totals.expired++
        return
      case 'release':
        entry.task = { ...task, attempts: task.attempts - 1 }
        this.#wait(entry, 'delayed', settlement.delayMs, now)
    }
  }

  extend(claims: readonly ClaimRef[], leaseMs: number): ExtendResult[] {
    const now = this.#clock.monotonic()
    this.#promote(now)
    return claims.map((claim) => {
      const entry = this.#held(claim)
      if (!entry) return { status: 'stale' }
      this.#waiting.remove(entry)
      this.#inFlight--
      this.#wait(entry, 'inFlight', leaseMs, now)
      return { status: 'extended', token: entry.token }
    })
  }

  depth(): Depth {
    const now = this.#clock.monotonic()
    this.#promote(now)
    const oldest = this.#readyByDue.peek()
    return {
      ready: this.#readyByRank.size,
      delayed: this.#waiting.size - this.#inFlight + this.#lines.blocked,
      inFlight: this.#inFlight,
      dead: this.#dead.size,
      oldestReadyAgeMs: oldest ? now - oldest.due : 0,
      bytes: this.#bytes,
      totals: { ...this.#totals },
    }
  }

  find(id: string): FoundTask | undefined {
    const now = this.#clock.monotonic()
    this.#promote(now)
    const entry = this.#entries.get(id)
    if (!entry) return this.#results.get(id, now)
    const { task, state, death } = entry
    if (death) return { state: 'dead', task, reason: death.reason, deadAt: death.at }
    if (state === 'blocked') return { state: 'delayed', task }
    return state === 'dead' ? undefined : { state, task }
  }

  get dead(): DeadShelf {
    return this.#dead
  }

  redrive(which: readonly string[] | 'all'): number {
    const now = this.#clock.monotonic()
    const entries = this.#dead.take(which)
    for (const entry of entries) {
      entry.task = { ...entry.task, attempts: 0 }
      entry.rank = rankOf(now, entry.task.priority)
      entry.expiresAt = now + (entry.ttlMs ?? Infinity)
      this.#bytes += entry.bytes
      this.#enter(entry, 0, now)
    }
    return entries.length
  }

  drop(which: readonly string[] | 'all'): number {
    const entries = this.#dead.take(which)
    for (const entry of entries) this.#entries.delete(entry.task.id)
    this.#totals.dropped += entries.length
    return entries.length
  }

  /** Lets it wait for its time, or for those of its key that came before it. */
  #enter(entry: Entry, delayMs: number, now: number): void {
    if (this.#lines.join(entry)) {
      entry.state = 'blocked'
      entry.due = now + delayMs
    } else {
      this.#wait(entry, 'delayed', delayMs, now)
    }
  }

  /** The one that this one blocked goes on: waits out its own delay, or is ready as of now. */
  #unblockNext(entry: Entry, now: number): void {
    const next = this.#lines.leave(entry)
    if (next) this.#wait(next, 'delayed', Math.max(0, next.due - now), now)
  }

  /** Puts it where it waits for `spanMs` from now; a delayed one without a delay is ready. */
  #wait(entry: Entry, state: 'delayed' | 'inFlight', spanMs: number, now: number): void {
    entry.due = now + spanMs
    if (state === 'delayed' && spanMs <= 0) {
      this.#makeReady(entry)
      return
    }
    entry.state = state
    if (state === 'inFlight') this.#inFlight++
    this.#waiting.push(entry)
  }

  #makeReady(entry: Entry): void {
    entry.state = 'ready'
    this.#readyByRank.push(entry)
    this.#readyByDue.push(entry)
  }

  /** What has fallen due is ready: delays that are over and leases that have ended. */
  #promote(now: number): void {
    for (let first = this.#waiting.peek(); first && first.due <= now; first = this.#waiting.peek()) {
      this.#waiting.remove(first)
      if (first.state === 'inFlight') this.#inFlight--
      this.#makeReady(first)
    }
  }

  #held(claim: ClaimRef): Entry | undefined {
    const entry = this.#entries.get(claim.id)
    return entry?.state === 'inFlight' && entry.token === claim.token ? entry : undefined
  }

  #forget(entry: Entry, now: number): void {
    this.#entries.delete(entry.task.id)
    this.#bytes -= entry.bytes
    this.#unblockNext(entry, now)
    // An entry that waited long is in V8's old space, where dead things keep young ones alive until the next full collection:
    // the copy that its claim made would be moved there too, and the pauses for small collections grow several times as long.
    entry.task = FORGOTTEN
  }
}

function newEntry(
  task: NewTask,
  at: { readonly order: number; readonly bytes: number; readonly now: number; readonly createdAt: number },
): Entry {
  const { id, type, payload, priority, key, ordered = false, cost = 1, headers = {}, ttlMs } = task
  return {
    task: {
      id,
      type,
      payload,
      createdAt: at.createdAt,
      attempts: 0,
      priority,
      ...(key === undefined ? {} : { key }),
      cost,
      headers,
      failures: [],
    },
    state: 'delayed',
    order: at.order,
    bytes: at.bytes,
    ttlMs,
    line: ordered ? key : undefined,
    next: undefined,
    rank: rankOf(at.now, priority),
    due: at.now,
    expiresAt: at.now + (ttlMs ?? Infinity),
    token: '',
    death: undefined,
    atRank: -1,
    atDue: -1,
  }
}
