/**
 * How full the queue is: Cloud Tasks lists its tasks, and bills each of them, so it is asked now and then only. What is held
 * here is known; of what others hold only that it is on its way to somebody.
 */

import type { Clock } from '../../clock.ts'
import type { Depth } from '../queue-service.ts'
import type { CloudQueue, Listing } from './cloud-queue.ts'
import type { Inbox } from './inbox.ts'

/** Beyond it the depth is at least so much. */
export const MOST_COUNTED = 10_000

export interface GaugeOptions {
  readonly main: CloudQueue
  readonly dead: CloudQueue
  readonly inbox: Inbox
  /** So old may the lists be. */
  readonly everyMs: number
  readonly clock: Clock
}

interface Seen {
  readonly main: Listing
  readonly dead: Listing
}

export class DepthGauge {
  readonly #options: GaugeOptions
  #seen: Promise<Seen> | undefined
  #until = Number.NEGATIVE_INFINITY

  constructor(options: GaugeOptions) {
    this.#options = options
  }

  /** By a look that begins now: what is counted on from it must be in it. */
  fresh(): Promise<Depth> {
    this.#seen = undefined
    return this.depth()
  }

  async depth(): Promise<Depth> {
    const { main, dead } = await this.#look()
    const { inbox, clock } = this.#options
    const now = clock.now()
    let { ready, inFlight, oldestAt } = inbox.counts
    let delayed = 0
    for (const { name, dueAt, dispatched } of main.tasks) {
      // What was answered is gone, though the list may not know yet.
      if (inbox.holds(name) || inbox.names.wasAnswered(name)) continue
      if (dispatched && !inbox.names.expects(name)) inFlight++
      else if (dueAt > now) delayed++
      else {
        ready++
        oldestAt = Math.min(oldestAt, dueAt)
      }
    }
    return {
      ready,
      delayed,
      inFlight,
      dead: dead.tasks.length,
      oldestReadyAgeMs: Math.max(0, Math.round(now - Math.min(now, oldestAt))),
      bytes: undefined,
      totals: undefined,
    }
  }

  #look(): Promise<Seen> {
    const { main, dead, everyMs, clock } = this.#options
    if (!this.#seen || clock.monotonic() >= this.#until) {
      this.#until = clock.monotonic() + everyMs
      const looking = Promise.all([main.list(MOST_COUNTED), dead.list(MOST_COUNTED)])
      this.#seen = looking.then(
        ([mainSeen, deadSeen]) => ({ main: mainSeen, dead: deadSeen }),
        (thrown: unknown) => {
          this.#until = Number.NEGATIVE_INFINITY
          throw thrown
        },
      )
    }
    return this.#seen
  }
}
