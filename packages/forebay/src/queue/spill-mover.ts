/**
 * Brings what was spilled back into the queue proper, in order and within its bounds:
 *
 *     room? -> claim from the spill -> push under the same id -> settle what is accepted or was there already
 *                                                             -> give back what did not fit, and wait for room
 *                             -> expire what could not start in time
 *
 * A task is settled in the spill only after the queue has it, so none is lost: a crash in between repeats the push, which
 * the id catches while the task is queued, and a dedup id of the move for an hour after (see spilled-task.ts). It wakes by
 * events: a parked claim when something is spilled, `Room` when something leaves the queue.
 */

import type { Claim, NewTask, PushResult, QueueService, StoredTask } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { RandomSource } from '../random.ts'
import type { Pusher } from './pusher.ts'
import type { Places, Room } from './room.ts'
import type { Spill } from './spill.ts'
import { asBefore, fromSpilled } from './spilled-task.ts'

const LARGEST_BATCH = 100
/** Far longer than a push takes. After a crash the tasks of its last batch are claimed again when this has passed. */
const LEASE_MS = 10_000
/** A parked claim asks anew this often, so that an engine that lost it is noticed. */
const PARKED_CLAIM_MS = 20_000
/** What was seen of the room is still so after so long. */
const ROOM_HOLDS_MS = 50
const BACKOFF = { baseMs: 100, capMs: 5_000 }

export interface SpillMoverOptions {
  readonly queue: QueueService
  readonly spill: Spill
  readonly pusher: Pusher
  readonly room: Room
  readonly clock: Clock
  readonly random: RandomSource
  readonly onReturned: (task: NewTask) => void
  readonly onExpired: (task: StoredTask) => void
  readonly onError: (error: ForebayError, retryInMs: number) => void
}

export class SpillMover {
  readonly #options: SpillMoverOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(options: SpillMoverOptions) {
    this.#options = options
    this.#done = this.#run(this.#stop.signal)
  }

  /** Resolves when what it was moving is moved. */
  stop(): Promise<void> {
    this.#stop.abort()
    return this.#done
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failed = 0
    while (!signal.aborted) {
      try {
        await this.#moveSome(signal)
        failed = 0
      } catch (thrown) {
        const { clock, random, onError } = this.#options
        const retryInMs = fullJitter(++failed, random.next(), BACKOFF)
        onError(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
        await sleep(clock, retryInMs, signal).catch(() => undefined)
      }
    }
  }

  async #moveSome(signal: AbortSignal): Promise<void> {
    const { room, spill, clock } = this.#options
    const places = await room.next(signal)
    if (!places) return
    const seenAt = clock.monotonic()
    const max = Math.min(Math.floor(places.tasks), LARGEST_BATCH)
    const claims = await spill.service.claim({ max, leaseMs: LEASE_MS, waitMs: PARKED_CLAIM_MS, signal })
    if (claims.length === 0) return
    // A claim that was parked was woken by something that had no room.
    const isOld = clock.monotonic() - seenAt > ROOM_HOLDS_MS
    try {
      const [fitting, others] = parted(await this.#expire(claims), isOld ? await room.now() : places)
      await this.#giveBack(others)
      await this.#move(fitting)
    } finally {
      await spill.recount()
    }
  }

  /** Ends those whose time to start has passed, and returns the others. */
  async #expire(claims: readonly Claim[]): Promise<Claim[]> {
    const { spill, onExpired } = this.#options
    const over = claims.filter(({ expired }) => expired)
    if (over.length === 0) return [...claims]
    const results = await spill.service.settle(over.map((claim) => ({ claim, outcome: 'expire' })))
    for (const [index, { task }] of over.entries()) {
      if (results[index]?.status === 'settled') onExpired(asBefore(task))
    }
    return claims.filter(({ expired }) => !expired)
  }

  async #move(claims: readonly Claim[]): Promise<void> {
    const { queue, spill, onReturned } = this.#options
    if (claims.length === 0) return
    const { maxDedupWindowMs } = queue.capabilities
    const tasks = claims.map((claim) => fromSpilled(claim, maxDedupWindowMs))
    const results = await this.#push(tasks).catch(async (thrown) => {
      await this.#giveBack(claims).catch(() => undefined)
      throw thrown
    })
    const moved = claims.filter((_, index) => results[index]?.status !== 'full')
    if (moved.length > 0) await spill.service.settle(moved.map((claim) => ({ claim, outcome: 'complete' })))
    await this.#giveBack(claims.filter((_, index) => results[index]?.status === 'full'))
    for (const [index, task] of tasks.entries()) if (results[index]?.status !== 'full') onReturned(task)
  }

  async #push(tasks: readonly NewTask[]): Promise<PushResult[]> {
    const { pusher } = this.#options
    const results = await pusher.pushInTurn(tasks)
    for (const [index, task] of tasks.entries()) {
      // It was acknowledged, so it runs, although its dedup id has come to belong to another task meanwhile.
      if (results[index]?.status !== 'conflict') continue
      const { dedup: _, ...undeduped } = task
      results[index] = (await pusher.pushInTurn([undeduped]))[0] as PushResult
    }
    return results
  }

  /** What does not fit waits for room, in its place. */
  async #giveBack(claims: readonly Claim[]): Promise<void> {
    const { spill, room } = this.#options
    if (claims.length === 0) return
    room.noteFull()
    await spill.service.settle(claims.map((claim) => ({ claim, outcome: 'release', delayMs: 0 })))
  }
}

/** The first ones, as far as there is room for them, and the others: a small one does not pass a large one. */
function parted(claims: readonly Claim[], { tasks, bytes }: Places): [Claim[], Claim[]] {
  let left = bytes
  let count = 0
  for (const { task } of claims) {
    left -= Buffer.byteLength(task.payload)
    if (left < 0 || count + 1 > tasks) break
    count++
  }
  return [claims.slice(0, count), claims.slice(count)]
}
