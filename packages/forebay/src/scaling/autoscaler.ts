/**
 * The autoscaler: looks at a queue once in a control period, lets the policy (flow/scaling-policy.ts) decide, has an actuator carry it
 * out, and tells each decision with its reason. While the engine cannot be asked it changes nothing.
 */

import type { CancelTimer } from '../clock.ts'
import { asForebayError, type ForebayError } from '../errors.ts'
import { Emitter, type Listener } from '../events.ts'
import { type ScalingDecision, type ScalingOptions, wholeScalingOptions } from '../flow/scaling-options.ts'
import { ScalingPolicy } from '../flow/scaling-policy.ts'
import type { Actuator } from './actuator.ts'
import { type ScaledQueue, QueueSight } from './queue-sight.ts'

export interface AutoscalerEvents {
  /** Every decision, also one to change nothing. */
  decision: ScalingDecision
  /** The queue could not be looked at; the next look is in a control period, and the workers stay as they are. */
  error: { readonly error: ForebayError }
}

export class Autoscaler {
  readonly #queue: ScaledQueue
  readonly #actuator: Actuator
  readonly #sight: QueueSight
  readonly #policy: ScalingPolicy
  readonly #controlMs: number
  readonly #events = new Emitter<AutoscalerEvents>()
  #cancelTimer: CancelTimer | undefined
  #turn: Promise<void> = Promise.resolve()

  /** @throws ForebayError INVALID_OPTION. */
  constructor(queue: ScaledQueue, actuator: Actuator, options: ScalingOptions) {
    this.#queue = queue
    this.#actuator = actuator
    this.#policy = new ScalingPolicy(options)
    this.#controlMs = wholeScalingOptions(options).controlMs
    this.#sight = new QueueSight(queue, actuator)
  }

  /** Calls `listener` at each event; returns what takes it off again. */
  on<Name extends keyof AutoscalerEvents>(name: Name, listener: Listener<AutoscalerEvents[Name]>): () => void {
    return this.#events.on(name, listener)
  }

  /** Decides at once, and then in each control period. Harmless when it runs already. */
  start(): void {
    this.#cancelTimer ??= this.#next()
  }

  /** Decides no more; the workers stay as they are. Works twice, and before `start`. */
  async stop(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    await this.#turn
    this.#note(undefined)
  }

  #note(decision: ScalingDecision | undefined): void {
    this.#queue.telemetry?.noteScaling(this.#queue.name ?? '', decision)
  }

  #next(): CancelTimer {
    this.#turn = this.#decide()
    return this.#queue.clock.after(this.#controlMs, () => {
      // A look that takes longer than a control period is waited for.
      void this.#turn.then(() => {
        if (this.#cancelTimer) this.#cancelTimer = this.#next()
      })
    })
  }

  async #decide(): Promise<void> {
    try {
      const seen = await this.#sight.look()
      if (!this.#cancelTimer) return
      const decision = this.#policy.decide(seen)
      this.#note(decision)
      this.#events.emit('decision', decision)
      if (decision.change !== 'hold') this.#actuator.scaleTo(decision.desired)
    } catch (thrown) {
      this.#events.emit('error', { error: asForebayError(thrown) })
    }
  }
}
