/** Tasks that are claimed and wait for their attempt, in order: one a time, or in batches that fill up for a while. */

import type { Claim } from '../backends/queue-service.ts'
import type { Lease } from './heartbeat.ts'

/** A task that is claimed, from its claim to its stored outcome, with its lease. */
export interface Held extends Lease {
  readonly claim: Claim
  /** When it was claimed, by the monotonic clock. */
  readonly since: number
}

/** What was taken is cut off the list's front when it is at least so long, and half of it: to move the rest each time costs too much. */
const CUT_AT = 256

export class HeldTasks {
  readonly #maxTasks: number
  readonly #maxWaitMs: number
  #held: Held[] = []
  /** So many at the front of the list are taken already. */
  #taken = 0

  constructor({ maxTasks, maxWaitMs }: { readonly maxTasks: number; readonly maxWaitMs: number }) {
    this.#maxTasks = maxTasks
    this.#maxWaitMs = maxWaitMs
  }

  get size(): number {
    return this.#held.length - this.#taken
  }

  /** How many attempts they make. */
  get attempts(): number {
    return Math.ceil(this.size / this.#maxTasks)
  }

  /** Whether the next attempt could take more. */
  get hasRoom(): boolean {
    return this.size < this.#maxTasks
  }

  /** From when on the next attempt is complete, or has waited long enough; Infinity if nothing is held. */
  get readyAt(): number {
    const first = this.#held[this.#taken]
    if (!first) return Number.POSITIVE_INFINITY
    return this.hasRoom ? first.since + this.#maxWaitMs : Number.NEGATIVE_INFINITY
  }

  /** Since when the next attempt could have started but for its permit; Infinity if nothing is held. */
  get waitingSince(): number {
    const first = this.#held[this.#taken]
    return first ? first.since + this.#maxWaitMs : Number.POSITIVE_INFINITY
  }

  add(held: Held): void {
    this.#held.push(held)
  }

  /** Takes the tasks of the next attempt. */
  take(): readonly Held[] {
    const next = this.#held.slice(this.#taken, this.#taken + this.#maxTasks)
    this.#taken += next.length
    if (this.#taken >= CUT_AT && 2 * this.#taken >= this.#held.length) this.#held = this.#rest()
    return next
  }

  takeAll(): readonly Held[] {
    const rest = this.#rest()
    this.#held = []
    return rest
  }

  /** What each attempt costs, from the one with this number on. */
  costs(from: number): number[] {
    const costs: number[] = []
    for (let at = this.#taken + from * this.#maxTasks; at < this.#held.length; at += this.#maxTasks) {
      costs.push(costOf(this.#held.slice(at, at + this.#maxTasks)))
    }
    return costs
  }

  #rest(): Held[] {
    const rest = this.#held.slice(this.#taken)
    this.#taken = 0
    return rest
  }
}

export function costOf(held: readonly Held[]): number {
  let sum = 0
  for (const { claim } of held) sum += claim.task.cost
  return sum
}
