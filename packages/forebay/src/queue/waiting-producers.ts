/**
 * Overflow `wait`: producers whose tasks do not fit wait for room, first come, first served, up to a deadline. Who comes
 * while others wait stands behind them, unless a full queue had promised it a place.
 *
 *     offered -> fits: stored      does not fit, or others wait: waits -> its turn and room: stored
 *                                                                     deadline: QUEUE_FULL, with the time to come again
 *                                                                     close: QUEUE_CLOSED
 *
 * At most 10,000 tasks and 64 MiB of payload wait in a process; what comes beyond is refused at once. A task's `delayMs` and
 * `ttlMs` run while it waits, and it waits no longer than its `ttlMs`.
 */

import type { PushResult } from '../backends/queue-service.ts'
import type { CancelTimer, Clock } from '../clock.ts'
import { asForebayError, ForebayError } from '../errors.ts'
import { aged, type Candidate, type Outcome, type Placed, refused } from './candidate.ts'
import type { FullQueue } from './full-queue.ts'
import type { Pusher } from './pusher.ts'
import type { Places, Room } from './room.ts'

export const WAITING_BOUNDS = { tasks: 10_000, bytes: 67_108_864 } as const

/** So many go in with one push. */
const LARGEST_BATCH = 1_000

interface Waiter {
  readonly candidate: Candidate
  readonly bound: 'depth' | 'bytes'
  readonly bytes: number
  readonly since: number
  readonly settle: (outcome: Outcome) => void
  cancelDeadline: CancelTimer
  /** While its push is under way only that says what becomes of it. */
  state: 'waiting' | 'pushed' | 'ended'
  isOver: boolean
}

export interface WaitingProducersOptions {
  readonly deadlineMs: number
  readonly pusher: Pusher
  readonly full: FullQueue
  readonly room: Room
  readonly clock: Clock
  readonly turn: {
    /** Told whose turn has come, just before they are pushed. */
    prepare(candidates: readonly Candidate[]): Promise<void>
    /** What is told of one whose push is over. */
    accept(candidate: Candidate, outcome: Outcome): Outcome
  }
}

export class WaitingProducers {
  readonly #options: WaitingProducersOptions
  readonly #line: Waiter[] = []
  #bytes = 0
  #serving: AbortController | undefined
  #isClosed = false

  constructor(options: WaitingProducersOptions) {
    this.#options = options
  }

  /** How many wait. */
  get count(): number {
    return this.#line.length
  }

  async place(candidates: readonly Candidate[]): Promise<Placed[]> {
    const { pusher } = this.#options
    const placed: Placed[] = []
    for (const run of pusher.inRuns(candidates)) {
      const results = await pusher.push(run, this.#line.length > 0)
      for (const [index, candidate] of run.entries()) placed.push(this.#told(candidate, results[index] as PushResult))
    }
    return placed
  }

  /** Ends all waits. */
  close(): void {
    this.#isClosed = true
    this.#serving?.abort()
    const message = 'The queue was closed while the task waited for room. It was not stored.'
    for (const waiter of this.#line.filter(({ state }) => state === 'waiting')) {
      this.#end(waiter, refused(new ForebayError('QUEUE_CLOSED', message)))
    }
  }

  #told(candidate: Candidate, result: PushResult): Placed {
    const { pusher, full, room } = this.#options
    if (result.status !== 'full') return pusher.outcomeOf(candidate, result) as Outcome
    const bytes = Buffer.byteLength(candidate.task.payload)
    const { tasks: mostTasks, bytes: mostBytes } = WAITING_BOUNDS
    if (this.#line.length >= mostTasks || this.#bytes + bytes > mostBytes || this.#isClosed) {
      return refused(full.refuse(candidate, result.bound))
    }
    room.noteFull()
    return this.#wait(candidate, result.bound, bytes)
  }

  #wait(candidate: Candidate, bound: 'depth' | 'bytes', bytes: number): Promise<Outcome> {
    const { clock, deadlineMs } = this.#options
    return new Promise((resolve) => {
      const since = clock.monotonic()
      const waiter: Waiter = {
        candidate,
        bound,
        bytes,
        since,
        settle: resolve,
        cancelDeadline: () => {},
        state: 'waiting',
        isOver: false,
      }
      const waitMs = Math.min(deadlineMs, candidate.task.ttlMs ?? deadlineMs)
      waiter.cancelDeadline = clock.after(waitMs, () => this.#deadline(waiter))
      this.#line.push(waiter)
      this.#bytes += bytes
      if (!this.#serving) void this.#serve()
    })
  }

  #deadline(waiter: Waiter): void {
    waiter.isOver = true
    if (waiter.state === 'waiting') this.#giveUp(waiter)
  }

  #giveUp(waiter: Waiter): void {
    this.#end(waiter, refused(this.#options.full.refuse(waiter.candidate, waiter.bound)))
  }

  #end(waiter: Waiter, outcome: Outcome): void {
    waiter.state = 'ended'
    waiter.cancelDeadline()
    this.#line.splice(this.#line.indexOf(waiter), 1)
    this.#bytes -= waiter.bytes
    if (this.#line.length === 0) this.#serving?.abort()
    waiter.settle({ ...outcome, waitedMs: this.#options.clock.monotonic() - waiter.since })
  }

  /** Lets them in as there is room, as long as somebody waits. */
  async #serve(): Promise<void> {
    const serving = new AbortController()
    this.#serving = serving
    while (!serving.signal.aborted) {
      const places = await this.#options.room.next(serving.signal)
      if (places) await this.#letIn(this.#thatFit(places))
    }
    this.#serving = undefined
    // Somebody came after the last one had left.
    if (this.#line.length > 0 && !this.#isClosed) void this.#serve()
  }

  /** The first in line, as far as there is room for them. One that is larger than what is left is waited for, not passed. */
  #thatFit({ tasks, bytes }: Places): Waiter[] {
    const fitting: Waiter[] = []
    let left = bytes
    for (const waiter of this.#line.slice(0, Math.min(tasks, LARGEST_BATCH))) {
      left -= waiter.bytes
      if (left < 0) break
      fitting.push(waiter)
    }
    if (fitting.length === 0) this.#options.room.noteFull()
    return fitting
  }

  async #letIn(waiters: readonly Waiter[]): Promise<void> {
    const { pusher, room, clock, turn } = this.#options
    if (waiters.length === 0) return
    for (const waiter of waiters) waiter.state = 'pushed'
    try {
      await turn.prepare(waiters.map(({ candidate }) => candidate))
      const now = clock.monotonic()
      const results = await pusher.pushInTurn(waiters.map(({ candidate, since }) => aged(candidate.task, now - since)))
      for (const [index, waiter] of waiters.entries()) {
        const outcome = pusher.outcomeOf(waiter.candidate, results[index] as PushResult)
        if (outcome) this.#end(waiter, turn.accept(waiter.candidate, outcome))
        else room.noteFull()
      }
    } catch (thrown) {
      const error = asForebayError(thrown, 'BACKEND_UNAVAILABLE')
      for (const waiter of waiters) this.#end(waiter, refused(error))
    }
    for (const waiter of waiters) this.#backInLine(waiter)
  }

  /** One whose push did not fit after all waits on, unless its time has passed meanwhile. */
  #backInLine(waiter: Waiter): void {
    if (waiter.state === 'ended') return
    waiter.state = 'waiting'
    if (this.#isClosed) this.close()
    else if (waiter.isOver) this.#giveUp(waiter)
  }
}
