/**
 * How full the queue is and how fast it drains. Both come from the backend's own `depth`, so that a process that only
 * produces knows them too. Every look at the depth, whoever asked for it, is also a sample of the drain rate.
 */

import type { Depth, Newcomer, QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { DrainMeter } from '../flow/drain-meter.ts'

export class DepthGauge {
  readonly #service: QueueService
  readonly #clock: Clock
  readonly #meter: DrainMeter
  /** What this process pushed out by `overflow`: it left the queue and was not drained. */
  #evicted = 0
  #inFlightWhileBusy: number | undefined
  #looking = false

  constructor(service: QueueService, clock: Clock, expectedPerSecond: number | undefined) {
    this.#service = service
    this.#clock = clock
    this.#meter = new DrainMeter(expectedPerSecond)
  }

  /** Asks the backend. @param newcomer Tells its place as well. */
  async look(newcomer?: Newcomer): Promise<Depth> {
    const depth = await this.#service.depth(newcomer)
    const busy = depth.ready > 0
    if (busy) this.#inFlightWhileBusy = depth.inFlight
    const { totals, dead } = depth
    if (totals) {
      const finished = totals.completed + totals.expired + totals.dropped + dead - this.#evicted
      this.#meter.sample(this.#clock.monotonic(), finished, busy)
    }
    return depth
  }

  /** Looks, unless that was done within `everyMs`. Does not wait; a fault is told by whatever asks the backend next. */
  lookSoon(everyMs: number): void {
    if (this.#looking || this.#meter.ageMs(this.#clock.monotonic()) < everyMs) return
    this.#looking = true
    this.look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = false
      })
  }

  /** Tasks a second while tasks wait, as measured or as expected; undefined if neither. */
  get perSecond(): number | undefined {
    return this.#meter.perSecond
  }

  /** The same, or else what it drained of late without a backlog. */
  get atLeastPerSecond(): number | undefined {
    return this.#meter.atLeastPerSecond
  }

  /** How many were in flight when tasks waited, at the last look at which some did. */
  get inFlightWhileBusy(): number | undefined {
    return this.#inFlightWhileBusy
  }

  noteEvicted(count: number): void {
    this.#evicted += count
  }
}
