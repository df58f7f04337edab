/**
 * The scaling signal of a queue: how many workers there should be, for somebody else to carry out (KEDA, an HPA, a cloud's autoscaler).
 * Workers are not seen from here: it is taken that what is asked for takes tasks after its start-up.
 */

import type { Listener } from '../events.ts'
import type { ScalingDecision, ScalingOptions } from '../flow/scaling-options.ts'
import type { WorkSeen } from './actuator.ts'
import { Autoscaler, type AutoscalerEvents } from './autoscaler.ts'
import type { ScaledQueue } from './queue-sight.ts'

export class ScalingSignal {
  readonly #autoscaler: Autoscaler
  #latest: ScalingDecision | undefined

  /**
   * @param work What is known of the work beside what the engine counts.
   * @throws ForebayError INVALID_OPTION.
   */
  constructor(queue: ScaledQueue, work: () => WorkSeen, options: ScalingOptions) {
    const actuator = { workers: () => undefined, work, scaleTo: () => {} }
    this.#autoscaler = new Autoscaler(queue, actuator, options)
    this.#autoscaler.on('decision', (decision) => {
      this.#latest = decision
    })
  }

  /** The latest decision; undefined before the first. While the engine cannot be asked the last one stands. */
  get latest(): ScalingDecision | undefined {
    return this.#latest
  }

  on<Name extends keyof AutoscalerEvents>(name: Name, listener: Listener<AutoscalerEvents[Name]>): () => void {
    return this.#autoscaler.on(name, listener)
  }

  start(): void {
    this.#autoscaler.start()
  }

  stop(): Promise<void> {
    return this.#autoscaler.stop()
  }
}
