/**
 * Time. This is the one file that touches the system's clock and timers; everything else is handed a `Clock`.
 *
 * Two readings, never mixed: `now()` is wall time (epoch milliseconds) for stamps that people and other machines read;
 * `monotonic()` is for durations and due times, and does not jump when somebody sets the clock.
 */

import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Cancels a timer; harmless after it fired. */
export type CancelTimer = () => void

export interface Clock {
  /** Wall time in epoch milliseconds. May jump. */
  now(): number
  /** Milliseconds since an arbitrary origin, fractional. Never goes back. */
  monotonic(): number
  /**
   * Names the origin of `monotonic()`: readings of clocks with the same name can be compared, also across threads and
   * processes. Without it they can be compared with no other clock's.
   */
  readonly origin?: string
  /** Calls `fire` once, not before `delayMs` by `monotonic()`. `background` timers do not keep the process alive. */
  after(delayMs: number, fire: () => void, options?: { readonly background?: boolean }): CancelTimer
}

/** Node fires a longer timer at once (it becomes 1 ms), so longer waits are made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

class SystemClock implements Clock {
  #origin: string | undefined

  now(): number {
    return Date.now()
  }

  /** By the operating system's monotonic clock, which all processes of one boot share. */
  monotonic(): number {
    return Number(process.hrtime.bigint()) / 1e6
  }

  /** The machine's boot where the system names it (Linux); elsewhere one name for all boots. */
  get origin(): string {
    this.#origin ??= bootName()
    return this.#origin
  }

  after(delayMs: number, fire: () => void, options: { readonly background?: boolean } = {}): CancelTimer {
    const due = this.monotonic() + delayMs
    let handle: NodeJS.Timeout | undefined
    const arm = () => {
      // Node may fire up to a millisecond early (nodejs/node#26578): then the rest is waited for again.
      const left = due - this.monotonic()
      if (left <= 0 && handle !== undefined) return fire()
      handle = setTimeout(arm, Math.min(Math.max(Math.ceil(left), 0), LONGEST_TIMER_MS))
      if (options.background) handle.unref()
    }
    arm()
    return () => clearTimeout(handle)
  }
}

function bootName(): string {
  try {
    return `boot ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`
  } catch {
    return 'boot unknown'
  }
}

export const systemClock: Clock & { readonly origin: string } = new SystemClock()

/** Stops this whole thread for `ms`: only for a thread that has nothing else to do, such as a backend's worker. */
export function pauseThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** How late the event loop was, ms. */
export interface EventLoopDelay {
  readonly meanMs: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** A timer of this many milliseconds is what the delay is measured by: it is in each of Node's figures, and taken off again. */
const LOOP_TIMER_MS = 10

/** Several who read it must not take each other's figures away: what is told is of a window of at least this long. */
const LOOP_WINDOW_MS = 10_000

/** Measures the delay of this thread's event loop. It does not keep the process alive. */
export class EventLoopWatch {
  readonly #clock: Clock
  readonly #histogram = monitorEventLoopDelay({ resolution: LOOP_TIMER_MS })
  #since: number
  #told: EventLoopDelay | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.monotonic()
    this.#histogram.enable()
  }

  /** Of the last window that is over, or of the first while it lasts; undefined before anything was measured. */
  read(): EventLoopDelay | undefined {
    const now = this.#clock.monotonic()
    if (this.#told && now - this.#since < LOOP_WINDOW_MS) return this.#told
    const present = this.#measured()
    if (now - this.#since < LOOP_WINDOW_MS) return present
    this.#told = present
    this.#since = now
    this.#histogram.reset()
    return present
  }

  stop(): void {
    this.#histogram.disable()
  }

  #measured(): EventLoopDelay | undefined {
    if (this.#histogram.count === 0) return undefined
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - LOOP_TIMER_MS)
    const { mean, max } = this.#histogram
    return { meanMs: late(mean), p99Ms: late(this.#histogram.percentile(99)), maxMs: late(max) }
  }
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    const onAbort = () => {
      cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

interface VirtualTimer {
  readonly due: number
  readonly order: number
  /** Undefined once it was cancelled: it is passed over when its turn comes. */
  fire: (() => void) | undefined
}

/** Fewer cancelled timers than this are not worth a sweep. */
const FEW_CANCELLED = 64

/** The timers of a `VirtualClock`: a binary heap, the next to fall due first and, of those due at one instant, the first set. */
class VirtualTimers {
  #heap: VirtualTimer[] = []
  #order = 0
  #cancelled = 0

  /** The next one that was not cancelled. */
  get first(): VirtualTimer | undefined {
    let top = this.#heap[0]
    while (top && !top.fire) {
      this.shift()
      this.#cancelled--
      top = this.#heap[0]
    }
    return top
  }

  add(due: number, fire: () => void): VirtualTimer {
    const timer: VirtualTimer = { due, order: this.#order++, fire }
    const heap = this.#heap
    let at = heap.push(timer) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (isSooner(heap[above] as VirtualTimer, timer)) break
      heap[at] = heap[above] as VirtualTimer
      at = above
    }
    heap[at] = timer
    return timer
  }

  cancel(timer: VirtualTimer): void {
    if (!timer.fire) return
    timer.fire = undefined
    // Most timers are time limits that are cancelled long before they fall due: they must not pile up until then.
    if (++this.#cancelled < FEW_CANCELLED || this.#cancelled * 2 < this.#heap.length) return
    this.#heap = this.#heap.filter(({ fire }) => fire).sort((a, b) => (isSooner(a, b) ? -1 : 1))
    this.#cancelled = 0
  }

  /** Takes the top away. */
  shift(): void {
    const heap = this.#heap
    const last = heap.pop() as VirtualTimer
    if (heap.length === 0) return
    let at = 0
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      const right = below + 1
      if (right < heap.length && isSooner(heap[right] as VirtualTimer, heap[below] as VirtualTimer)) below = right
      if (isSooner(last, heap[below] as VirtualTimer)) break
      heap[at] = heap[below] as VirtualTimer
      at = below
    }
    heap[at] = last
  }
}

function isSooner(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order)
}

/**
 * The system clock's twin for tests and simulation: time stands still until it is moved.
 *
 * `advance` fires the timers that fall due, in order of their due times, and lets promises settle after each, so that
 * whatever a timer set in motion has happened before the next one fires. `run` does the same for what is made of promises and
 * this clock's timers alone.
 */
export class VirtualClock implements Clock {
  #elapsed = 0
  readonly #timers = new VirtualTimers()
  readonly #epoch: number

  /** @param epoch Wall time at the start, epoch milliseconds. Default: 2026-01-01T00:00:00Z. */
  constructor(epoch = Date.UTC(2026, 0, 1)) {
    this.#epoch = epoch
  }

  now(): number {
    return this.#epoch + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer = this.#timers.add(this.#elapsed + Math.max(0, delayMs), fire)
    return () => this.#timers.cancel(timer)
  }

  /** When the next timer fires, by `monotonic()`; undefined if none is set. */
  get nextDue(): number | undefined {
    return this.#timers.first?.due
  }

  /** Moves time on by `ms`, firing what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settlePromises()
    while (this.#fireNext(end)) await settlePromises()
    this.#elapsed = end
  }

  /**
   * Moves time on until `isOver`, or until no timer is left. Several times as fast as `advance`, because it waits for promises
   * only and not for the event loop: nothing that it moves may depend on files, sockets, threads or system timers. Once in a
   * while (`YIELD_EVERY` timers) it lets the event loop turn all the same, so that signals are heard.
   */
  async run(isOver: () => boolean): Promise<void> {
    await settlePromises()
    for (let fired = 1; !isOver() && this.#fireNext(Number.POSITIVE_INFINITY); fired++) {
      await (fired % YIELD_EVERY === 0 ? settlePromises() : settleMicrotasks())
    }
  }

  #fireNext(end: number): boolean {
    const timer = this.#timers.first
    const fire = timer?.fire
    if (!timer || !fire || timer.due > end) return false
    this.#timers.shift()
    timer.fire = undefined
    this.#elapsed = Math.max(this.#elapsed, timer.due)
    fire()
    return true
  }
}

const YIELD_EVERY = 4_096

/** Lets every promise that can settle without time passing do so. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The same for promises that wait for other promises only: Node runs its next ticks when no microtask is left. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}
