/**
 * The lines of a `MemoryStore` and their order: a heap of those that are open, by score; one of those that wait for their
 * key's rate, one of those that are only remembered for it, and one of the empty ones, which are forgotten when the order
 * has no more use for them (flow/fair-order.ts). A claim takes from the first open line and never looks at a closed one.
 */

import {
  beginning,
  comesBefore,
  expectedPlace,
  type FairTime,
  grantsBefore,
  isForgettable,
  placeLine,
  reweighLine,
} from '../../flow/fair-order.ts'
import { nextAfterChange, sameSettings } from '../../flow/key-limits.ts'
import { grantOf, LINE, settleLine, wouldMatter } from '../line-state.ts'
import type { KeyLimits, Newcomer, StoredTask } from '../queue-service.ts'
import { rankOf } from '../rank.ts'
import type { Entry } from './entry.ts'
import { Heap } from './heap.ts'
import { Line } from './line.ts'

/** So many empty lines are forgotten at a time: far more than an operation makes, and done in less than a millisecond. */
const FORGOTTEN_AT_ONCE = 1_000

/** So many other lines are looked at when a newcomer asks for its place; what the rest sends ahead is taken to be alike. */
const MOST_LOOKED_AT = 1_000

const sooner = (a: Line, b: Line) => a.nextAt < b.nextAt || (a.nextAt === b.nextAt && a.entered < b.entered)
const NO_LIMITS: KeyLimits = {}

export class Lines {
  readonly #time: FairTime = beginning()
  readonly #common = new Line(undefined, 1, 1)
  readonly #byKey = new Map<string, Line>()
  readonly #open = new Heap<'at', Line>('at', comesBefore)
  readonly #waiting = new Heap<'at', Line>('at', sooner)
  readonly #resting = new Heap<'at', Line>('at', sooner)
  readonly #empty = new Heap<'at', Line>('at', (a, b) => a.finish < b.finish)
  /** Those that a limit closes or that are remembered for one. */
  readonly #limited = new Set<Line>()
  #limits = NO_LIMITS

  /** How many keys have a line, for what it takes of memory. */
  get size(): number {
    return this.#byKey.size
  }

  /** When a line opens by itself; undefined if none waits for that. */
  get nextOpening(): number | undefined {
    return this.#waiting.peek()?.nextAt
  }

  /** The line of a task that comes in; `leave` it when the task is gone. */
  join({ key, cost }: StoredTask, weight: number | undefined, now: number): Line {
    const line = key === undefined || weight === undefined ? this.#common : this.#lineOf(key, weight, cost)
    line.tasks++
    // It is empty no more, and must not be forgotten.
    if (line.tasks === 1) this.#settle(line, now)
    return line
  }

  #lineOf(key: string, weight: number, cost: number): Line {
    const known = this.#byKey.get(key)
    if (known) return known
    const line = new Line(key, weight, cost)
    this.#byKey.set(key, line)
    return line
  }

  /** The weight of a key is what its latest task says. */
  reweigh(line: Line, weight: number | undefined): void {
    if (line === this.#common || weight === undefined || line.weight === weight) return
    reweighLine(this.#time, line, weight, line.state === LINE.open)
  }

  leave(line: Line, now: number): void {
    line.tasks--
    if (line.tasks === 0) this.#settle(line, now)
  }

  /** A task is ready. */
  add(entry: Entry, now: number): void {
    entry.line.add(entry)
    this.#settle(entry.line, now)
  }

  /** A ready task is not to be granted after all. */
  remove(entry: Entry, now: number): void {
    entry.line.remove(entry)
    this.#settle(entry.line, now)
  }

  /** The task whose turn it is, granted; undefined if there is none. */
  take(now: number): Entry | undefined {
    for (let line = this.#open.peek(); line; line = this.#open.peek()) {
      // Limits that were set after it opened may close it.
      if (this.#limits !== NO_LIMITS) this.#settle(line, now)
      if (line.state !== LINE.open) continue
      const entry = line.first as Entry
      line.remove(entry)
      grantOf(this.#time, line, entry.task, this.#limitsOf(line), now)
      this.#settle(line, now)
      return entry
    }
    return undefined
  }

  /** A task in flight is over or back. */
  ended(line: Line, now: number): void {
    line.inFlight--
    if (line.state === LINE.saturated) this.#settle(line, now)
  }

  /** Sets the keys' limits, and opens what a limit or a time has kept closed until now. */
  limit(limits: KeyLimits | undefined, now: number): void {
    this.#change(limits ?? NO_LIMITS, now)
    for (let line = this.#waiting.peek(); line && line.nextAt <= now; line = this.#waiting.peek())
      this.#settle(line, now)
  }

  #change(limits: KeyLimits, now: number): void {
    if (sameSettings(limits, this.#limits)) return
    const limited = [...this.#limited]
    // Limits under which nothing can be granted do not displace those of others.
    if (this.#open.size === 0 && !limited.some((line) => wouldMatter(line, limits, now))) return
    this.#limits = limits
    for (const line of limited.sort((a, b) => a.entered - b.entered)) {
      line.nextAt = nextAfterChange(line.nextAt, limits, now)
      this.#settle(line, now)
    }
  }

  /** Forgets lines that are empty, a part at a time. */
  forget(now: number): void {
    for (let n = 0; n < FORGOTTEN_AT_ONCE; n++) {
      const rested = this.#resting.peek()
      if (rested && rested.nextAt <= now) this.#settle(rested, now)
      const line = this.#empty.peek()
      if (!line || !isForgettable(this.#time, line)) return
      this.#empty.remove(line)
      line.heap = undefined
      this.#byKey.delete(line.key as string)
    }
  }

  /** How many ready tasks are to be granted before the newcomer. Lines that a limit keeps closed are taken to stay so. */
  ahead({ key, weight, priority }: Newcomer, now: number): number {
    const hasLine = key !== undefined && weight !== undefined
    const line = hasLine ? (this.#byKey.get(key) ?? new Line(key, weight, 1)) : this.#common
    const within = line.before(rankOf(now, priority))
    const place = expectedPlace(this.#time, line, line.state === LINE.open, { priority, within })
    const others = this.#open.sample(MOST_LOOKED_AT).filter((other) => other !== line)
    const grants = others.reduce((sum, other) => sum + grantsBefore(place, other), 0)
    const allOthers = this.#open.size - (line.state === LINE.open ? 1 : 0)
    return within + Math.round(others.length === 0 ? 0 : (grants / others.length) * allOthers)
  }

  #limitsOf(line: Line): KeyLimits {
    return line === this.#common ? NO_LIMITS : this.#limits
  }

  /** Brings a line's state up to date, and puts it into the heap that is for it. */
  #settle(line: Line, now: number): void {
    const before = line.state
    // The common line has no limits: once it is open it stays so while it has tasks, and alone it needs no place among others.
    if (line === this.#common && before === LINE.open && line.first) {
      placeLine(line, line.first.task.priority)
      if (this.#open.size > 1) this.#open.moved(line)
      return
    }
    settleLine(this.#time, line, line.first?.task.priority ?? 0, this.#limitsOf(line), now)
    const heap = this.#heapFor(line)
    if (heap === line.heap) {
      heap?.moved(line)
    } else {
      line.heap?.remove(line)
      line.heap = heap
      heap?.push(line)
    }
    if (isLimited(line.state)) this.#limited.add(line)
    else if (isLimited(before)) this.#limited.delete(line)
  }

  #heapFor(line: Line): Heap<'at', Line> | undefined {
    switch (line.state) {
      case LINE.open:
        return this.#open
      case LINE.waiting:
        return this.#waiting
      case LINE.resting:
        return this.#resting
      default:
        return line.state === LINE.idle && line.tasks === 0 && line !== this.#common ? this.#empty : undefined
    }
  }
}

function isLimited(state: number): boolean {
  return state === LINE.waiting || state === LINE.saturated || state === LINE.resting
}
