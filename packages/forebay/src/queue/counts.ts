/** What became of the tasks that were handed to a queue, counted since it was opened, in this process. */

import type { ErrorCode } from '../errors.ts'
import type { Outcome } from './candidate.ts'

export interface QueueCounts {
  /** Acknowledged, those that spilled included. */
  readonly accepted: number
  readonly duplicate: number
  /** By their codes. */
  readonly refused: Readonly<Partial<Record<ErrorCode, number>>>
  /** Queued tasks that gave way to newer ones. */
  readonly dropped: number
  /** Of those accepted: lay, or lie, in the spill. */
  readonly spilled: number
  /** Brought back from the spill, also such as earlier processes had spilled. */
  readonly returned: number
  /** Expired in the spill: those that expire in the queue are its backend's to count. */
  readonly expired: number
  /** Waited for room, whatever became of them then. */
  readonly waited: number
}

export class Tally {
  readonly #refused: Partial<Record<ErrorCode, number>> = {}
  readonly #counts = { accepted: 0, duplicate: 0, dropped: 0, spilled: 0, returned: 0, expired: 0, waited: 0 }

  get counts(): QueueCounts {
    return { ...this.#counts, refused: { ...this.#refused } }
  }

  count(outcome: Outcome): void {
    if (outcome.waitedMs !== undefined) this.#counts.waited++
    if (outcome.status === 'refused') {
      const { code } = outcome.error
      this.#refused[code] = (this.#refused[code] ?? 0) + 1
      return
    }
    this.#counts[outcome.status]++
    if (outcome.status !== 'accepted') return
    this.#counts.dropped += outcome.dropped?.length ?? 0
    if (outcome.spilled) this.#counts.spilled++
  }

  countFromSpill(what: 'returned' | 'expired'): void {
    this.#counts[what]++
  }
}
