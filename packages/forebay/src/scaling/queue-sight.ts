/**
 * What a scaling policy is shown of a queue: counted at the engine, so it holds for all producers and consumers.
 *
 *     arrived    growth of the engine's count of accepted tasks; where it has none: growth of what is queued + what ended here
 *     service    as the workers measured it; where none did, by Little's law: mean of those in flight x time / those that ended
 *
 * Little's law sees a task as in service from its grant to its end, so what a worker has claimed ahead counts as well.
 */

import type { Depth } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import type { ScalingObservation } from '../flow/scaling-options.ts'
import type { QueueObserver } from '../queue/observer.ts'
import type { Actuator } from './actuator.ts'

export interface ScaledQueue {
  readonly clock: Clock
  readonly name?: string
  /** Is told what is decided. */
  readonly telemetry?: Pick<QueueObserver, 'noteScaling'> | undefined
  depth(): Promise<Depth>
}

interface Look {
  readonly atMs: number
  readonly inFlight: number
  /** Ever accepted, ever ended; each up to a constant. */
  readonly accepted: number
  readonly ended: number
}

/** Older looks weigh e times less for each so much time. */
const MEMORY_MS = 120_000

export class QueueSight {
  readonly #queue: ScaledQueue
  readonly #actuator: Pick<Actuator, 'workers' | 'work'>
  #last: Look | undefined
  #inFlightMs = 0
  #ended = 0

  constructor(queue: ScaledQueue, actuator: Pick<Actuator, 'workers' | 'work'>) {
    this.#queue = queue
    this.#actuator = actuator
  }

  /** Rejects as `depth` does. */
  async look(): Promise<ScalingObservation> {
    const depth = await this.#queue.depth()
    const atMs = this.#queue.clock.monotonic()
    const { serviceMs, serviceDeviationMs, startUpMs, capacityPerSecond, finished = 0 } = this.#actuator.work()
    const arrived = this.#note(depth, atMs, finished)
    return {
      atMs,
      arrived,
      backlog: depth.ready,
      oldestAgeMs: depth.oldestReadyAgeMs ?? 0,
      ...this.#actuator.workers(),
      serviceMs: serviceMs ?? (this.#ended > 0 ? this.#inFlightMs / this.#ended : undefined),
      serviceDeviationMs,
      startUpMs,
      capacityPerSecond,
    }
  }

  /** @returns How many arrived since the look before; undefined at the first. */
  #note({ ready, delayed, inFlight, dead, totals }: Depth, atMs: number, finished: number): number | undefined {
    const queued = ready + delayed + inFlight + dead
    const accepted = totals?.accepted ?? queued + finished
    const look = { atMs, inFlight, accepted, ended: accepted - queued }
    const isFirst = this.#last === undefined
    const last = this.#last ?? look
    this.#last = look
    const dt = atMs - last.atMs
    const kept = Math.exp(-dt / MEMORY_MS)
    this.#inFlightMs = this.#inFlightMs * kept + (dt * (last.inFlight + inFlight)) / 2
    this.#ended = this.#ended * kept + Math.max(0, look.ended - last.ended)
    return isFirst ? undefined : Math.max(0, accepted - last.accepted)
  }
}
