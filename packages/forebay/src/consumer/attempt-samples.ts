/**
 * What one attempt tells the limit that learns: one sample for the whole, or one for each call that its handler reports.
 *
 *     nothing reported     from the start to the end, with the verdict on its endings
 *     calls reported       each of them is a sample; the whole is none: its time includes what a client waited between its calls
 *
 * A client that answers a 429 by itself, and calls again, makes of two calls one success that took long. Seen only as a whole it
 * would raise the limit of a downstream that asked for less.
 */

import type { Clock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import type { AttemptSample } from '../flow/concurrency-limit.ts'
import { between, LONGEST_MS } from './bounds.ts'
import type { Concurrency } from './concurrency.ts'
import type { CallReport } from './handler.ts'

export interface AttemptSamplesOptions {
  readonly clock: Clock
  readonly concurrency: Pick<Concurrency, 'started' | 'ended'>
  /** How many attempts run. */
  readonly inFlight: () => number
  /** The downstream asked for quiet. */
  readonly onHold: (delayMs: number) => void
}

const RESULTS: readonly unknown[] = ['ok', 'failed', 'refused'] satisfies readonly CallReport['result'][]

export class AttemptSamples {
  readonly #options: AttemptSamplesOptions
  readonly #startedAt: number
  #reportedAt: number | undefined
  #isOver = false

  /** The attempt begins. @param now By the monotonic clock. */
  constructor(options: AttemptSamplesOptions, now: number) {
    this.#options = options
    this.#startedAt = now
    options.concurrency.started(now)
  }

  /** A call that is over. What comes after the attempt's end is too late: its slot is free. @throws ForebayError INVALID_OPTION. */
  report(call: CallReport): void {
    check(call)
    if (this.#isOver) return
    const { clock, concurrency, inFlight, onHold } = this.#options
    const at = clock.monotonic()
    const { result, latencyMs = at - (this.#reportedAt ?? this.#startedAt), retryAfterMs = 0 } = call
    const quietMs = result === 'refused' ? retryAfterMs : 0
    // The first call is the start that was told already; each further one is one more.
    if (this.#reportedAt !== undefined) concurrency.started(at)
    const startedAt = this.#reportedAt === undefined ? this.#startedAt : at
    concurrency.ended({ startedAt, at, result, latencyMs, quietMs, inFlight: inFlight() })
    this.#reportedAt = at
    if (quietMs > 0) onHold(quietMs)
  }

  /** The attempt is over. @param quietMs Which its outcome asks for; 0: none. @returns How long it took. */
  end(result: AttemptSample['result'], quietMs: number): number {
    this.#isOver = true
    const { clock, concurrency, inFlight } = this.#options
    const [at, startedAt] = [clock.monotonic(), this.#startedAt]
    if (this.#reportedAt === undefined) concurrency.ended({ startedAt, at, result, quietMs, inFlight: inFlight() })
    return at - startedAt
  }
}

/** Reports come from code without types as well. */
function check({ result, latencyMs, retryAfterMs }: CallReport): void {
  if (!RESULTS.includes(result)) {
    const message = `result is "ok", "failed" or "refused", not ${String(result)}.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'result' })
  }
  if (latencyMs !== undefined) between('latencyMs', latencyMs, 0, LONGEST_MS)
  if (retryAfterMs !== undefined) between('retryAfterMs', retryAfterMs, 0, LONGEST_MS)
}
