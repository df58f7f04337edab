/**
 * Brings what was spilled back into the queue proper, in order and within its bounds:
 *
 *     room? -> claim from the spill -> push under the same id -> settle what is accepted or was there already
 *                                                             -> give back what did not fit, and wait for room
 *
 * A task is settled in the spill only after the queue has it, so none is lost: a crash in between repeats the push, which
 * the id catches while the task is queued, and a dedup id of the move for an hour after (see spilled-task.ts). It wakes by
 * events: a parked claim when something is spilled, `Room` when something leaves the queue.
 */

import type { Claim, PushResult, QueueService, Settlement } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { RandomSource } from '../random.ts'
import type { Pusher } from './pusher.ts'
import type { Room } from './room.ts'
import type { Spill } from './spill.ts'
import { fromSpilled } from './spilled-task.ts'

const LARGEST_BATCH = 100
/** Far longer than a push takes. After a crash the tasks of its last batch are claimed again when this has passed. */
const LEASE_MS = 30_000
/** A parked claim asks anew this often, so that an engine that lost it is noticed. */
const PARKED_CLAIM_MS = 20_000
const BACKOFF = { baseMs: 100, capMs: 5_000 }

export interface SpillMoverOptions {
  readonly queue: QueueService
  readonly spill: Spill
  readonly pusher: Pusher
  readonly room: Room
  readonly clock: Clock
  readonly random: RandomSource
  readonly onReturned: (id: string, type: string) => void
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
    const { room, spill } = this.#options
    const places = await room.next(signal)
    if (!places) return
    const max = Math.min(Math.floor(places.tasks), LARGEST_BATCH)
    const claims = await spill.service.claim({ max, leaseMs: LEASE_MS, waitMs: PARKED_CLAIM_MS, signal })
    if (claims.length === 0) return
    try {
      await this.#move(claims)
    } finally {
      await spill.recount()
    }
  }

  async #move(claims: readonly Claim[]): Promise<void> {
    const { queue, spill, pusher, room, onReturned } = this.#options
    const { maxDedupWindowMs } = queue.capabilities
    const tasks = claims.map((claim) => fromSpilled(claim, maxDedupWindowMs))
    let results: PushResult[]
    try {
      results = await pusher.pushInTurn(tasks)
    } catch (thrown) {
      await spill.service.settle(claims.map((claim) => release(claim))).catch(() => undefined)
      throw thrown
    }
    for (const [index, task] of tasks.entries()) {
      // It was acknowledged, so it runs, although its dedup id has come to belong to another task meanwhile.
      if (results[index]?.status !== 'conflict') continue
      const { dedup: _, ...undeduped } = task
      results[index] = (await pusher.pushInTurn([undeduped]))[0] as PushResult
    }
    const isIn = (index: number) => results[index]?.status !== 'full'
    await spill.service.settle(
      claims.map((claim, index) => (isIn(index) ? { claim, outcome: 'complete' } : release(claim))),
    )
    if (results.some(({ status }) => status === 'full')) room.noteFull()
    for (const [index, { id, type }] of tasks.entries()) if (isIn(index)) onReturned(id, type)
  }
}

function release(claim: Claim): Settlement {
  return { claim, outcome: 'release', delayMs: 0 }
}
