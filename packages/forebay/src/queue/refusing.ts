/**
 * Overflow `reject` and the two that drop: what does not fit, or for which nothing can give way, is refused. So is, whatever the
 * policy, what does not fit within a transaction of its producer, which cannot wait.
 */

import type { PushResult } from '../backends/queue-service.ts'
import { type Candidate, type Outcome, refused } from './candidate.ts'
import type { FullQueue } from './full-queue.ts'
import type { Pusher } from './pusher.ts'

export class Refusing {
  readonly #pusher: Pusher
  readonly #full: FullQueue

  constructor(pusher: Pusher, full: FullQueue) {
    this.#pusher = pusher
    this.#full = full
  }

  async place(candidates: readonly Candidate[]): Promise<Outcome[]> {
    return this.#outcomes(candidates, await this.#pusher.push(candidates))
  }

  /** As part of the caller's own transaction. */
  async placeWithin(candidates: readonly Candidate[], transaction: unknown): Promise<Outcome[]> {
    const tasks = candidates.map(({ task }) => task)
    return this.#outcomes(candidates, await this.#pusher.pushWithin(tasks, transaction))
  }

  #outcomes(candidates: readonly Candidate[], results: readonly PushResult[]): Outcome[] {
    return candidates.map((candidate, index) => {
      const result = results[index] as PushResult
      return result.status === 'full'
        ? refused(this.#full.refuse(candidate, result.bound))
        : (this.#pusher.outcomeOf(candidate, result) as Outcome)
    })
  }
}
