/** What the handler of one attempt gets beside its task. */

import type { AttemptSamples, AttemptSamplesOptions } from './attempt-samples.ts'
import type { CallReport, HandlerContext } from './handler.ts'
import type { Held } from './held-tasks.ts'
import type { LazyAbort } from './lazy-abort.ts'

/** What an attempt can do for its handler that is not its own to do. */
export interface AttemptSide {
  readonly extend: (held: readonly Held[], ms: number) => Promise<void>
  readonly charge: (cost: number) => void
  readonly samples: AttemptSamplesOptions
}

export class AttemptContext implements HandlerContext {
  readonly attempt: number
  // Functions of its own, not methods: handlers take them out of their context.
  readonly extend: (ms: number) => Promise<void>
  readonly charge: (cost: number) => void
  readonly report: (call: CallReport) => void
  readonly #abort: LazyAbort

  constructor(held: readonly Held[], abort: LazyAbort, samples: AttemptSamples, { extend, charge }: AttemptSide) {
    this.attempt = (held[0] as Held).claim.task.attempts
    this.extend = (ms) => extend(held, ms)
    this.charge = charge
    this.report = (call) => samples.report(call)
    this.#abort = abort
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }
}
