/**
 * Aborts an attempt. Its signal is made only for a handler that asks for it: making one costs more than all the rest of a short
 * attempt, and most handlers never look at it.
 */

export class LazyAbort {
  #controller: AbortController | undefined
  #aborted = false
  #reason: unknown

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** The first reason stands. @returns Whether this one is the first. */
  abort(reason: unknown): boolean {
    if (this.#aborted) return false
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason)
    return true
  }
}
