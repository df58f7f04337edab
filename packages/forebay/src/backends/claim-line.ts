/**
 * Claims that wait for work, first come, first served. It knows when a wait is over (its time is up, its signal aborted,
 * its queue closed); what there is to grant is the backend's to know.
 */

import type { CancelTimer, Clock } from '../clock.ts'
import type { Claim, ClaimRequest } from './queue-service.ts'

/** One waiting claim. */
export class Waiter {
  readonly request: ClaimRequest
  readonly owner: object
  #over = false
  #busy = false
  #cancelTimer: CancelTimer | undefined
  readonly #onAbort = (): void => this.end()
  readonly #answer: (claims: Claim[]) => void
  readonly #reject: (thrown: unknown) => void
  readonly #leave: (waiter: Waiter) => void

  constructor(
    request: ClaimRequest,
    owner: object,
    on: {
      readonly answer: (claims: Claim[]) => void
      readonly reject: (thrown: unknown) => void
      readonly leave: (waiter: Waiter) => void
    },
  ) {
    this.request = request
    this.owner = owner
    this.#answer = on.answer
    this.#reject = on.reject
    this.#leave = on.leave
  }

  /** Starts the time that it may wait. The timer keeps the process alive: somebody awaits the answer. */
  arm(clock: Clock): void {
    const { signal, waitMs } = this.request
    if (signal?.aborted || waitMs <= 0) {
      this.end()
      return
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#cancelTimer = clock.after(waitMs, () => this.end())
  }

  /** The backend asks the engine on its behalf: until `finish`, the end of its wait does not answer it. */
  begin(): void {
    this.#busy = true
  }

  /** What the engine granted; answers the claim if that is something or if its wait is over. */
  finish(claims: Claim[]): void {
    this.#busy = false
    if (claims.length > 0 || this.#over) this.#resolve(claims)
  }

  /** The engine could not be asked. */
  fail(thrown: unknown): void {
    this.#release()
    this.#reject(thrown)
  }

  /** Its wait is over. If the engine is being asked, its grant is still awaited: a grant is never lost. */
  end(): void {
    this.#over = true
    if (!this.#busy) this.#resolve([])
  }

  #resolve(claims: Claim[]): void {
    this.#release()
    this.#answer(claims)
  }

  /** Lets go of timer and signal and leaves the line. */
  #release(): void {
    this.#cancelTimer?.()
    this.request.signal?.removeEventListener('abort', this.#onAbort)
    this.#leave(this)
  }
}

export class ClaimLine {
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waiters.size
  }

  /** First come, first. */
  [Symbol.iterator](): IterableIterator<Waiter> {
    return this.#waiters.values()
  }

  /** Puts a claim at the end of the line. `onJoined` may serve it at once. */
  join(request: ClaimRequest, owner: object, onJoined: (waiter: Waiter) => void = () => {}): Promise<Claim[]> {
    return new Promise((resolve, reject) => {
      const leave = (waiter: Waiter) => this.#waiters.delete(waiter)
      const waiter = new Waiter(request, owner, { answer: resolve, reject, leave })
      this.#waiters.add(waiter)
      onJoined(waiter)
      waiter.arm(this.#clock)
    })
  }

  /** Ends the waits of one owner. */
  end(owner: object): void {
    for (const waiter of [...this.#waiters]) if (waiter.owner === owner) waiter.end()
  }
}
