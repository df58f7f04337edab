/** How full the queues are: what the server counts, and what is with this process. */

import type { Clock } from '../../clock.ts'
import type { Depth } from '../queue-service.ts'
import { countReady } from './answer.ts'
import { fromRabbitmq, rabbitmqCode } from './rabbitmq-errors.ts'
import { Session } from './session.ts'
import type { Topology } from './topology.ts'
import type { Wire } from './wire.ts'

/** What is with this process: the server counts only what it has not given out. */
export interface Held {
  readonly ready: number
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
}

/** So long a delay queue that was not there is not asked for: asking closes the channel. */
const MISSING_MS = 1_000

export class DepthGauge {
  readonly #wire: Wire
  readonly #topology: Topology
  readonly #clock: Clock
  readonly #session: Session
  readonly #held: () => Held
  #missing: { readonly queue: string; readonly until: number } | undefined

  constructor(wire: Wire, topology: Topology, clock: Clock, held: () => Held) {
    this.#wire = wire
    this.#topology = topology
    this.#clock = clock
    this.#held = held
    this.#session = new Session(wire, clock, (channel) => topology.declare(channel))
  }

  async depth(): Promise<Depth> {
    const { main, due, dead, delays } = this.#topology
    const [ready = 0, dueCount = 0, deadCount = 0] = await this.#session.ask((channel) =>
      Promise.all([main, due, dead].map((queue) => countReady(channel, queue, this.#clock))),
    )
    let delayed = dueCount
    for (const queue of delays) {
      const waiting = await this.#countDelayed(queue)
      if (waiting === undefined) break
      delayed += waiting
    }
    const held = this.#held()
    return {
      ready: ready + held.ready,
      delayed: delayed + held.delayed,
      inFlight: held.inFlight,
      dead: deadCount + held.dead,
      oldestReadyAgeMs: undefined,
      bytes: undefined,
      totals: undefined,
    }
  }

  /** This process made delay queues. */
  forgetMissing(): void {
    this.#missing = undefined
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  async #countDelayed(queue: string): Promise<number | undefined> {
    const now = this.#clock.monotonic()
    if (this.#missing?.queue === queue && this.#missing.until > now) return undefined
    const channel = await this.#session.get()
    try {
      return await countReady(channel, queue, this.#clock)
    } catch (thrown) {
      this.#session.drop(channel)
      if (rabbitmqCode(thrown) !== 'NOT_FOUND') throw fromRabbitmq(thrown, this.#wire.place, 'Nothing was done.')
      this.#missing = { queue, until: now + MISSING_MS }
      return undefined
    }
  }
}
