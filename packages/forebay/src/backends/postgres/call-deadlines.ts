/** The deadlines of all calls that are under way, on one timer, so that a call costs none: nearly all are answered long before. */

import type { CancelTimer, Clock } from '../../clock.ts'

interface Call {
  /** By the monotonic clock. */
  readonly deadline: number
  readonly late: () => void
}

export class CallDeadlines {
  readonly #clock: Clock
  readonly #calls = new Set<Call>()
  #cancelCheck: CancelTimer | undefined
  #checkAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Settles as `work` does; rejects with what `late` makes if that takes longer than `ms`. */
  within<Result>(ms: number, work: Promise<Result>, late: () => Error): Promise<Result> {
    return new Promise((resolve, reject) => {
      const call: Call = { deadline: this.#clock.monotonic() + ms, late: () => reject(late()) }
      this.#calls.add(call)
      this.#checkNoLaterThan(call.deadline, ms)
      work.then(
        (result) => {
          this.#calls.delete(call)
          resolve(result)
        },
        (thrown) => {
          this.#calls.delete(call)
          reject(thrown)
        },
      )
    })
  }

  #checkNoLaterThan(at: number, inMs: number): void {
    if (at >= this.#checkAt) return
    this.#cancelCheck?.()
    this.#checkAt = at
    // What is asked keeps the process alive by its connection.
    this.#cancelCheck = this.#clock.after(inMs, this.#check, { background: true })
  }

  readonly #check = (): void => {
    this.#cancelCheck = undefined
    this.#checkAt = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const call of this.#calls) {
      if (call.deadline > now) next = Math.min(next, call.deadline)
      else {
        this.#calls.delete(call)
        call.late()
      }
    }
    if (next < Number.POSITIVE_INFINITY) this.#checkNoLaterThan(next, next - now)
  }
}
