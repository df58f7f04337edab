/** One claim that waits, what has come for it, and when that is all. */

import type { Waiter } from '../claim-line.ts'
import type { Claim } from '../queue-service.ts'

export class WaitingClaim {
  readonly waiter: Waiter
  readonly #isInLine: () => boolean
  #granted: Claim[] = []
  #granting = 0
  /** Its call has brought nothing yet: its wait may end at any time. */
  #parked = false
  /** Its call has brought something and has not ended. */
  #delivering = false
  #failure: unknown

  constructor(waiter: Waiter, isInLine: () => boolean) {
    this.waiter = waiter
    this.#isInLine = isInLine
  }

  get isAnswered(): boolean {
    return !this.#isInLine()
  }

  /** How many more it may be granted. */
  get room(): number {
    return this.isAnswered ? 0 : this.waiter.request.max - this.#granted.length - this.#granting
  }

  get hasRoom(): boolean {
    return this.room > 0
  }

  /** An anchor came in the place of a task. */
  isShort = false

  get hasSome(): boolean {
    return this.#granted.length > 0
  }

  /** From here on its wait may end, until something comes. */
  park(): void {
    this.#parked = true
    this.waiter.finish([])
  }

  /** Its call has brought something. More may be on its way, so it is not answered before the call ends. */
  delivering(): void {
    this.#parked = false
    this.#delivering = true
  }

  /** @param grant Undefined for what can't be granted. */
  async take(grant: Promise<Claim | undefined>): Promise<void> {
    this.waiter.begin()
    this.#granting++
    try {
      const claim = await grant
      if (claim) this.#granted.push(claim)
    } catch (thrown) {
      this.#failure = thrown
    }
    this.#granting--
    this.#answer()
  }

  callEnded(): void {
    this.#parked = false
    this.#delivering = false
    this.#answer()
  }

  /** Nothing more comes. */
  fail(thrown: unknown): void {
    this.#failure = thrown
    this.callEnded()
  }

  #answer(): void {
    if (this.isAnswered || this.#granting > 0 || this.#delivering) return
    if (this.#granted.length > 0) this.waiter.finish(this.#granted)
    else if (this.#failure !== undefined) this.waiter.fail(this.#failure)
    else if (this.#parked) this.waiter.finish([])
  }
}
