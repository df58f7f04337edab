/**
 * A migration: moves the tasks of a queue to another backend while both are in use.
 *
 *     claim from the old -> push to the new under the same id -> settle in the old what the new has
 *                                                             -> give back what did not fit, and wait
 *                        -> expire what could not start in time
 *
 * A task is settled in the old queue only after the new one has it, so none is lost; a crash in between repeats the push, which
 * the id catches while the task is queued, and a dedup id of the move for an hour after, where the new backend has such.
 * Producers that still push to the old queue are followed; its consumers may go on. A delayed task moves when it falls due.
 */

import type { Claim, Depth, NewTask, QueueService, Settlement } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { fullJitter } from '../flow/backoff.ts'
import type { RandomSource } from '../random.ts'

export interface MigrationOptions {
  readonly from: QueueService
  readonly to: QueueService
  readonly clock: Clock
  readonly random: RandomSource
  /** Go on when the old queue is empty, for producers that have not moved yet. Default false. */
  readonly follow?: boolean
  readonly onProgress?: (moved: Moved, left: Depth) => void
  /** An engine could not be asked; it is tried again in `retryInMs`. */
  readonly onError?: (error: ForebayError, retryInMs: number) => void
}

export interface Moved {
  readonly moved: number
  /** Those whose time to start had passed. */
  readonly expired: number
}

const BATCH = 500
/** Far longer than a push takes. After a crash the tasks of the last batch are claimed again when this has passed. */
const LEASE_MS = 30_000
const PARKED_CLAIM_MS = 1_000
/** Until the new queue, which is full, may have room. */
const FULL_WAIT_MS = 500
const MOVE_REMEMBERED_MS = 3_600_000
const BACKOFF = { baseMs: 100, capMs: 5_000 }

export class Migration {
  readonly #options: MigrationOptions
  #moved = 0
  #expired = 0

  constructor(options: MigrationOptions) {
    this.#options = options
  }

  /** Resolves when the old queue has no task left but dead letters, or when `signal` aborts; never rejects for an engine that is away. */
  async run(signal: AbortSignal): Promise<Moved> {
    const { clock, random, from, follow, onProgress, onError } = this.#options
    let failed = 0
    while (!signal.aborted) {
      try {
        const count = await this.#moveSome(signal)
        failed = 0
        if (count > 0) continue
        const left = await from.depth()
        onProgress?.(this.#soFar, left)
        if (!follow && left.ready + left.delayed + left.inFlight === 0) break
      } catch (thrown) {
        const retryInMs = fullJitter(++failed, random.next(), BACKOFF)
        onError?.(asForebayError(thrown, 'BACKEND_UNAVAILABLE'), retryInMs)
        await sleep(clock, retryInMs, signal).catch(() => undefined)
      }
    }
    return this.#soFar
  }

  get #soFar(): Moved {
    return { moved: this.#moved, expired: this.#expired }
  }

  /** Returns how many were claimed. */
  async #moveSome(signal: AbortSignal): Promise<number> {
    const { from, clock, onProgress } = this.#options
    const claims = await from.claim({ max: BATCH, leaseMs: LEASE_MS, waitMs: PARKED_CLAIM_MS, signal })
    if (claims.length === 0) return 0
    const settlements = await this.#forward(claims)
    await from.settle(settlements)
    this.#moved += settlements.filter(({ outcome }) => outcome === 'complete').length
    this.#expired += settlements.filter(({ outcome }) => outcome === 'expire').length
    onProgress?.(this.#soFar, await from.depth())
    const isFull = settlements.some(({ outcome }) => outcome === 'release')
    if (isFull) await sleep(clock, FULL_WAIT_MS, signal).catch(() => undefined)
    return claims.length
  }

  /** Pushes what can still start, and says for each claim what becomes of it in the old queue. */
  async #forward(claims: readonly Claim[]): Promise<Settlement[]> {
    const { from, to } = this.#options
    const living = claims.filter(({ expired }) => !expired)
    const over = claims.filter(({ expired }) => expired).map((claim) => ({ claim, outcome: 'expire' }) as const)
    const tasks = living.map((claim) => asNew(claim, to))
    try {
      const results = await to.push(tasks)
      return [
        ...over,
        ...living.map((claim, index): Settlement => {
          const isThere = results[index]?.status === 'accepted' || results[index]?.status === 'duplicate'
          return isThere ? { claim, outcome: 'complete' } : { claim, outcome: 'release', delayMs: 0 }
        }),
      ]
    } catch (thrown) {
      await from.settle(living.map((claim) => ({ claim, outcome: 'release', delayMs: 0 }))).catch(() => undefined)
      throw thrown
    }
  }
}

/** As it is pushed into the new queue: what that cannot keep, such as a priority, is left out. */
function asNew({ task, waitedMs }: Claim, { capabilities }: QueueService): NewTask {
  const { id, type, payload, priority, key, cost, createdAt, headers, ordered, ttlMs } = task
  const windowMs = Math.min(MOVE_REMEMBERED_MS, capabilities.maxDedupWindowMs)
  return {
    id,
    type,
    payload,
    cost,
    priority: capabilities.priority === 'none' ? 0 : priority,
    delayMs: 0,
    ...(key !== undefined && { key }),
    ...(key !== undefined && capabilities.fairness && { weight: 1 }),
    ...(ordered && capabilities.keyOrder && { ordered }),
    ...(ttlMs !== undefined && { ttlMs: Math.max(1, ttlMs - waitedMs) }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(windowMs > 0 && { dedup: { id: `forebay-moved:${createdAt}:${id}`, windowMs } }),
  }
}
