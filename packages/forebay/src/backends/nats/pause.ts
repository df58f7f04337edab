/** A pause that does not keep the process alive, and can be cut short. */

import type { Clock } from '../../clock.ts'

export class Pause {
  readonly #clock: Clock
  #end = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after `ms`, or as soon as `cut` is called. */
  for(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve, { background: true })
      this.#end = () => {
        cancel()
        resolve()
      }
    })
  }

  cut(): void {
    this.#end()
  }
}
