/**
 * Aborts an attempt. Its signal is made only for a handler that asks for it: making one, and listening to it, costs more than all
 * the rest of a short attempt, and most handlers never look at it.
 */

import type { AbortSource } from './abort-grace.ts'

export class LazyAbort implements AbortSource {
  #controller: AbortController | undefined
  #listeners: (() => void)[] = []
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

  /** The first reason stands. */
  abort(reason: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason)
    for (const listener of this.#listeners) listener()
    this.#listeners = []
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener)
  }
}
