/** Overflow `reject` and the two that drop: what does not fit, or for which nothing can give way, is refused. */

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
    const results = await this.#pusher.push(candidates)
    return candidates.map((candidate, index) => {
      const result = results[index] as PushResult
      return result.status === 'full'
        ? refused(this.#full.refuse(candidate, result.bound))
        : (this.#pusher.outcomeOf(candidate, result) as Outcome)
    })
  }
}
