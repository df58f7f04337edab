/**
 * The consumer's side of the circuit breaker: what counts as a failure, and what becomes of a task that failed as a probe.
 *
 *     failed   a thrown error, a time-out, `retryIn`
 *     good     completed, or `dead(reason)`: the downstream answered
 *     none     released, unreadable, lease lost, stopped
 *
 * What fails while the breaker is not closed, a probe or what was under way when it opened, found out about the downstream and
 * not about its task: the task goes back to the queue without having used an attempt.
 */

import type { Clock } from '../clock.ts'
import { Breaker, type BreakerCall, type BreakerState, type CallResult } from '../flow/breaker.ts'
import type { RandomSource } from '../random.ts'
import type { Ending } from './ending.ts'
import { type BreakerOptions, breakerSettings } from './options.ts'

/** Why a consumer that runs starts nothing. */
export interface StandsStill {
  readonly reason: string
  /** Epoch milliseconds; null: that is not known, its probes find out. */
  readonly until: number | null
}

type OnChange = (change: { readonly state: BreakerState; readonly reason: string }) => void

export class Circuit {
  readonly #breaker: Breaker | undefined
  readonly #clock: Clock
  readonly #random: RandomSource
  readonly #onChange: OnChange

  /** @throws ForebayError INVALID_OPTION. */
  constructor(breaker: BreakerOptions | false, clock: Clock, random: RandomSource, onChange: OnChange) {
    this.#breaker = breaker ? new Breaker(breakerSettings(breaker)) : undefined
    this.#clock = clock
    this.#random = random
    this.#onChange = onChange
  }

  /** How many more may start now; without a breaker, any number. */
  room(now: number): number {
    if (!this.#breaker) return Number.POSITIVE_INFINITY
    return this.#watched(this.#breaker, (breaker) => breaker.room(now))
  }

  /** When probes may start, by the monotonic clock; undefined unless it is open. */
  get openUntil(): number | undefined {
    return this.#breaker?.state === 'open' ? this.#breaker.openUntil : undefined
  }

  /** Undefined without a breaker. */
  get state(): BreakerState | undefined {
    return this.#breaker?.state
  }

  /** Whether the downstream is taken for broken: nothing starts, or nothing but probes. */
  get isBroken(): boolean {
    return this.#breaker !== undefined && this.#breaker.state !== 'closed'
  }

  get standsStill(): StandsStill | undefined {
    if (!this.#breaker || !this.isBroken) return undefined
    const reason = `The circuit breaker is ${this.#breaker.state}: ${this.#breaker.reason}.`
    if (this.openUntil === undefined) return { reason, until: null }
    return { reason, until: Math.round(this.#clock.now() + this.openUntil - this.#clock.monotonic()) }
  }

  start(): BreakerCall | undefined {
    return this.#breaker?.start()
  }

  /** Counts an attempt's end; returns the endings to store. */
  end(
    call: BreakerCall | undefined,
    endings: readonly Ending[],
    isLost: boolean,
    durationMs: number,
  ): readonly Ending[] {
    if (!this.#breaker || !call) return endings
    const now = this.#clock.monotonic()
    const wasClosed = this.#breaker.state === 'closed'
    const result = isLost ? 'none' : resultOfAll(endings)
    this.#watched(this.#breaker, (breaker) => breaker.end(call, result, durationMs, now, this.#random.next()))
    if (wasClosed || result !== 'failed') return endings
    // Not before the next probes, which others of the queue shall be.
    const release = { outcome: 'release', delayMs: Math.max(0, (this.openUntil ?? now) - now) } as const
    return endings.map((ending) => (resultOf(ending) === 'failed' ? release : ending))
  }

  /** Tells of a change only after the breaker is done with it. */
  #watched<Result>(breaker: Breaker, act: (breaker: Breaker) => Result): Result {
    const before = breaker.state
    const result = act(breaker)
    if (breaker.state !== before) this.#onChange({ state: breaker.state, reason: breaker.reason })
    return result
  }
}

/** Of several tasks one that was answered well shows that the downstream works. */
function resultOfAll(endings: readonly Ending[]): CallResult {
  const results = new Set(endings.map(resultOf))
  return (['good', 'failed', 'none'] as const).find((result) => results.has(result)) ?? 'none'
}

function resultOf(ending: Ending): CallResult {
  switch (ending.outcome) {
    case 'complete':
      return 'good'
    case 'retry':
      return 'failed'
    case 'dead':
      return ending.reason === 'refused' ? 'good' : ending.reason === 'attempts-exhausted' ? 'failed' : 'none'
    default:
      return 'none'
  }
}
