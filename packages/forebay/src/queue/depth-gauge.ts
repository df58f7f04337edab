/**
 * How full the queue is and how fast it flows. Both come from the backend's own `depth`, so that a process that only
 * produces knows them too. Every look at the depth, whoever asked for it, is also a sample of the two rates:
 *
 *     starts   what left those that wait (finished, or in flight): when a newcomer will start
 *     drain    what left the queue (finished): when there will be room
 */

import type { Depth, Newcomer, QueueService } from '../backends/queue-service.ts'
import type { Clock } from '../clock.ts'
import { DrainMeter } from '../flow/drain-meter.ts'

export class DepthGauge {
  readonly #service: QueueService
  readonly #clock: Clock
  readonly starts: DrainMeter
  readonly drain: DrainMeter
  /** What this process pushed out by `overflow`: it left the queue and was not drained. */
  #evicted = 0
  #inFlightWhileBusy: number | undefined
  /** Undefined: nothing waited at the last look. */
  #busySince: number | undefined
  #looking = false

  /** @param expectedPerSecond What both rates are taken for until they are measured. */
  constructor(service: QueueService, clock: Clock, expectedPerSecond: number | undefined) {
    this.#service = service
    this.#clock = clock
    this.starts = new DrainMeter(expectedPerSecond)
    this.drain = new DrainMeter(expectedPerSecond)
  }

  /** Asks the backend. @param newcomer Tells its place as well. */
  async look(newcomer?: Newcomer): Promise<Depth> {
    const depth = await this.#service.depth(newcomer)
    const { totals, dead, inFlight } = depth
    const busy = depth.ready > 0
    const now = this.#clock.monotonic()
    this.#busySince = busy ? (this.#busySince ?? now) : undefined
    if (busy) this.#inFlightWhileBusy = inFlight
    if (totals) {
      const finished = totals.completed + totals.expired + totals.dropped + dead - this.#evicted
      this.drain.sample(now, finished, busy)
      this.starts.sample(now, finished + inFlight, busy)
    }
    return depth
  }

  /** Looks, unless that was done within `everyMs`. Does not wait; a fault is told by whatever asks the backend next. */
  lookSoon(everyMs: number): void {
    if (this.#looking || this.drain.ageMs(this.#clock.monotonic()) < everyMs) return
    this.#looking = true
    this.look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = false
      })
  }

  /** How many were in flight when tasks waited, at the last look at which some did. */
  get inFlightWhileBusy(): number | undefined {
    return this.#inFlightWhileBusy
  }

  /** For how long tasks have been waiting without a pause, as far as looks could tell, ms. */
  get busyForMs(): number {
    return this.#busySince === undefined ? 0 : this.#clock.monotonic() - this.#busySince
  }

  noteEvicted(count: number): void {
    this.#evicted += count
  }
}
