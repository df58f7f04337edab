/**
 * One queue's tasks in memory: a map by id, lines that give the next one to grant, and heaps that give the oldest ready one
 * and the next one to fall due. Everything here happens at once; spans are by `monotonic()`, stamps by `now()`.
 */

import type { Clock } from '../../clock.ts'
import type {
  Bounds,
  Claim,
  ClaimRef,
  ClaimRequest,
  Depth,
  ExtendResult,
  FoundTask,
  NewTask,
  Newcomer,
  PushResult,
  Settlement,
  SettleResult,
} from '../queue-service.ts'
import type { TaskId } from '../../task.ts'
import { type Excess, excessOf } from '../eviction.ts'
import { rankOf } from '../rank.ts'
import { DeadShelf } from './dead-shelf.ts'
import { type Entry, FORGOTTEN, newEntry, storedTask, withFailure } from './entry.ts'
import { Evictable } from './evictable.ts'
import { ExpiringMap } from './expiring-map.ts'
import { Heap } from './heap.ts'
import { Lines } from './lines.ts'
import { Turns } from './turns.ts'

interface Remembered {
  readonly id: string
  readonly type: string
  readonly payload: string
}

const soonerDue = (a: Entry, b: Entry) => a.due < b.due || (a.due === b.due && a.order < b.order)

export class MemoryStore {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  readonly #lines = new Lines()
  readonly #readyByDue = new Heap<'atDue', Entry>('atDue', soonerDue)
  /** Delayed ones and those in flight. */
  readonly #waiting = new Heap<'atDue', Entry>('atDue', soonerDue)
  readonly #turns = new Turns()
  readonly #evictable = new Evictable()
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
    this.#lines.forget(now)
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
    const queued = { tasks: this.#entries.size - this.#dead.size, bytes: this.#bytes }
    const excess = excessOf(bounds, queued, bytes)
    const dropped = excess && this.#makeRoom(excess, task.priority, now)
    if (excess && !dropped) return { status: 'full', bound: excess.bound }
    if (dedup) this.#dedup.set(dedup.id, { id, type, payload }, now + dedup.windowMs, now)
    this.#bytes += bytes
    this.#totals.accepted++
    const stored = storedTask(task, this.#clock.now())
    const line = this.#lines.join(stored, task.weight, now)
    this.#lines.reweigh(line, task.weight)
    const entry = newEntry(task, { task: stored, line, order: this.#order++, bytes, now })
    this.#entries.set(id, entry)
    this.#enter(entry, task.delayMs, now)
    return { status: 'accepted', id, ...(dropped && { dropped }) }
  }

  /** Drops what must give way to a newcomer; answers what that was, or undefined if it was not enough and all are still there. */
  #makeRoom(excess: Excess, priority: number, now: number): TaskId[] | undefined {
    const { overflow } = excess
    if (!overflow) return undefined
    this.#promote(now)
    const victims = this.#evictable.victims(excess, overflow, priority, this.#entries.values())
    return victims?.map((entry) => {
      const { id } = entry.task
      this.#unready(entry)
      this.#lines.remove(entry, now)
      this.#forget(entry, now)
      this.#totals.dropped++
      return id
    })
  }

  /** Grants up to `max` ready tasks. */
  claim({ max, leaseMs, perKey }: Pick<ClaimRequest, 'max' | 'leaseMs' | 'perKey'>): Claim[] {
    const now = this.#clock.monotonic()
    this.#promote(now)
    this.#lines.limit(perKey, now)
    this.#lines.forget(now)
    const claims: Claim[] = []
    while (claims.length < max) {
      const entry = this.#lines.take(now)
      if (!entry) break
      this.#unready(entry)
      const waitedMs = now - entry.due
      entry.token = String(++this.#tokens)
      entry.task = { ...entry.task, attempts: entry.task.attempts + 1 }
      this.#wait(entry, 'inFlight', leaseMs, now)
      const { task, token } = entry
      claims.push({ id: task.id, token, task, waitedMs, expired: entry.expiresAt <= now })
    }
    return claims
  }

  get hasReady(): boolean {
    this.#promote(this.#clock.monotonic())
    return this.#readyByDue.size > 0
  }

  /** When the next task falls due or its key's rate allows it, by the monotonic clock; undefined if none waits for a time. */
  get nextDue(): number | undefined {
    const due = this.#waiting.peek()?.due
    const opening = this.#lines.nextOpening
    return opening === undefined || (due !== undefined && due < opening) ? due : opening
  }

  settle(settlements: readonly Settlement[]): SettleResult[] {
    const now = this.#clock.monotonic()
    this.#promote(now)
    this.#lines.forget(now)
    return settlements.map((settlement) => {
      const entry = this.#held(settlement.claim)
      if (!entry) return { status: 'stale' }
      this.#waiting.remove(entry)
      this.#inFlight--
      this.#lines.ended(entry.line, now)
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
        this.#lines.leave(entry.line, now)
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

  depth(newcomer?: Newcomer): Depth {
    const now = this.#clock.monotonic()
    this.#promote(now)
    const oldest = this.#readyByDue.peek()
    return {
      ready: this.#readyByDue.size,
      delayed: this.#waiting.size - this.#inFlight + this.#turns.blocked,
      inFlight: this.#inFlight,
      dead: this.#dead.size,
      oldestReadyAgeMs: oldest ? now - oldest.due : 0,
      bytes: this.#bytes,
      totals: { ...this.#totals },
      ...(newcomer && { ahead: this.#lines.ahead(newcomer, now) }),
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
      entry.line = this.#lines.join(entry.task, entry.line.ownWeight, now)
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
    if (this.#turns.join(entry)) {
      entry.state = 'blocked'
      entry.due = now + delayMs
    } else {
      this.#wait(entry, 'delayed', delayMs, now)
    }
  }

  /** The one that this one blocked goes on: waits out its own delay, or is ready as of now. */
  #unblockNext(entry: Entry, now: number): void {
    const next = this.#turns.leave(entry)
    if (next) this.#wait(next, 'delayed', Math.max(0, next.due - now), now)
  }

  /** Puts it where it waits for `spanMs` from now; a delayed one without a delay is ready. */
  #wait(entry: Entry, state: 'delayed' | 'inFlight', spanMs: number, now: number): void {
    entry.due = now + spanMs
    if (state === 'delayed' && spanMs <= 0) {
      this.#makeReady(entry, now)
      return
    }
    entry.state = state
    if (state === 'inFlight') this.#inFlight++
    this.#waiting.push(entry)
  }

  #makeReady(entry: Entry, now: number): void {
    entry.state = 'ready'
    this.#lines.add(entry, now)
    this.#readyByDue.push(entry)
    this.#evictable.add(entry)
  }

  /** Takes it out of all that is kept of ready ones, but for its line. */
  #unready(entry: Entry): void {
    this.#readyByDue.remove(entry)
    this.#evictable.remove(entry)
  }

  /** What has fallen due is ready: delays that are over and leases that have ended. */
  #promote(now: number): void {
    for (let first = this.#waiting.peek(); first && first.due <= now; first = this.#waiting.peek()) {
      this.#waiting.remove(first)
      if (first.state === 'inFlight') {
        this.#inFlight--
        this.#lines.ended(first.line, now)
      }
      this.#makeReady(first, now)
    }
  }

  #held(claim: ClaimRef): Entry | undefined {
    const entry = this.#entries.get(claim.id)
    return entry?.state === 'inFlight' && entry.token === claim.token ? entry : undefined
  }

  #forget(entry: Entry, now: number): void {
    this.#entries.delete(entry.task.id)
    this.#bytes -= entry.bytes
    this.#lines.leave(entry.line, now)
    this.#unblockNext(entry, now)
    // An entry that waited long is in V8's old space, where dead things keep young ones alive until the next full collection:
    // the copy that its claim made would be moved there too, and the pauses for small collections grow several times as long.
    entry.task = FORGOTTEN
  }
}
