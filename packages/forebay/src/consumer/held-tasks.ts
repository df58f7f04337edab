/** Tasks that are claimed and wait for their attempt, in order: one a time, or in batches that fill up for a while. */

import type { Claim } from '../backends/queue-service.ts'
import type { Lease } from './heartbeat.ts'

export interface Held {
  readonly claim: Claim
  readonly lease: Lease
  /** When it was claimed, by the monotonic clock. */
  readonly since: number
}

export class HeldTasks {
  readonly #maxTasks: number
  readonly #maxWaitMs: number
  readonly #held: Held[] = []

  constructor({ maxTasks, maxWaitMs }: { readonly maxTasks: number; readonly maxWaitMs: number }) {
    this.#maxTasks = maxTasks
    this.#maxWaitMs = maxWaitMs
  }

  get size(): number {
    return this.#held.length
  }

  /** How many attempts they make. */
  get attempts(): number {
    return Math.ceil(this.#held.length / this.#maxTasks)
  }

  /** Whether the next attempt could take more. */
  get hasRoom(): boolean {
    return this.#held.length < this.#maxTasks
  }

  /** From when on the next attempt is complete, or has waited long enough; Infinity if nothing is held. */
  get readyAt(): number {
    const [first] = this.#held
    if (!first) return Number.POSITIVE_INFINITY
    return this.hasRoom ? first.since + this.#maxWaitMs : Number.NEGATIVE_INFINITY
  }

  /** Since when the next attempt could have started but for its permit; Infinity if nothing is held. */
  get waitingSince(): number {
    const [first] = this.#held
    return first ? first.since + this.#maxWaitMs : Number.POSITIVE_INFINITY
  }

  add(held: Held): void {
    this.#held.push(held)
  }

  /** The tasks of the next attempt. */
  next(): readonly Held[] {
    return this.#held.slice(0, this.#maxTasks)
  }

  /** Takes the tasks of the next attempt. */
  take(): readonly Held[] {
    return this.#held.splice(0, this.#maxTasks)
  }

  takeAll(): readonly Held[] {
    return this.#held.splice(0)
  }

  /** What each attempt costs, from the one with this number on. */
  costs(from: number): number[] {
    const costs: number[] = []
    for (let at = from * this.#maxTasks; at < this.#held.length; at += this.#maxTasks) {
      costs.push(costOf(this.#held.slice(at, at + this.#maxTasks)))
    }
    return costs
  }
}

export function costOf(held: readonly Held[]): number {
  return held.reduce((sum, { claim }) => sum + claim.task.cost, 0)
}
