/**
 * A downstream that is only simulated, and a consumer with a backlog in front of it: events in a heap, no real time.
 *
 * The downstream has a number of servers and a queue before them, and a round trip of network that needs no server. A
 * caller that timed out has left, but its work is done nevertheless, as in most real services.
 */

import type { ConcurrencyLimit } from '../../packages/forebay/src/flow/concurrency-limit.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'
import type { Spread, Walk } from './chance.ts'
import { EventHeap } from './event-heap.ts'
import type { Quota } from './quotas.ts'

export interface Downstream {
  readonly durationMs: number
  readonly timeoutMs: number
  readonly networkMs: number
  /** Busy at once, at most. */
  servers(atMs: number): number
  /** Mean service time. */
  serviceMs(atMs: number): number
  readonly spread: Spread
  /** Latency beside the service that needs no server, as a factor on the network's. */
  readonly networkFactor?: Walk
  /** How much slower it serves with so many requests inside. */
  slowdown?(inside: number, servers: number): number
  /** The share of requests that fail, with so many inside; they fail after the network's round trip, and need no server. */
  failing?(inside: number, servers: number): number
  /** The share of requests that a cache answers: they need no server. */
  readonly cached?: number
  readonly quota?: () => Quota
  /** Where a quota is the bound: completions per second that it allows. */
  readonly quotaPerSecond?: number
  /** Tasks that arrive per second; without it the backlog never ends. */
  arrivalsPerSecond?(atMs: number): number
}

export interface Result {
  /** Successes, in % of what the downstream could have done. */
  readonly goodput: number
  /** % of the time with more in flight than 1.5 x the best. */
  readonly over: number
  /** % of all requests that were answered by 429. */
  readonly refused: number
}

/** Little's law for what is in service and in the network, and half a square root against idling by chance. */
export function bestInFlight(downstream: Downstream, atMs: number): number {
  const served = 1 - (downstream.cached ?? 0)
  const least = perMsOf(downstream, atMs) * (served * downstream.serviceMs(atMs) + downstream.networkMs)
  return Math.max(1, least + 0.5 * Math.sqrt(least))
}

function perMsOf(
  { servers, serviceMs, cached = 0, quotaPerSecond = Number.POSITIVE_INFINITY }: Downstream,
  atMs: number,
) {
  return Math.min(servers(atMs) / serviceMs(atMs) / (1 - cached), quotaPerSecond / 1_000)
}

interface Request {
  readonly startedAt: number
  left: boolean
}

type Answer = 'ok' | 'failed' | 'refused'

/** Beside what happens: the servers may have become more, and tasks have arrived. */
const TICK_MS = 100

export function simulate(downstream: Downstream, limit: ConcurrencyLimit, seed: number): Result {
  return new Simulation(downstream, limit, seed).run()
}

class Simulation {
  readonly #downstream: Downstream
  readonly #limit: ConcurrencyLimit
  readonly #chance: () => number
  readonly #quota: Quota | undefined
  readonly #events = new EventHeap()
  #waiting: Request[] = []
  #first = 0
  /** In the order in which they time out. */
  #timed: Request[] = []
  #firstTimed = 0
  #now = 0
  #busy = 0
  #inFlight = 0
  #backlog: number
  #holdUntil = Number.NEGATIVE_INFINITY
  #wakeAt = Number.POSITIVE_INFINITY
  readonly #counts = { ok: 0, refused: 0, all: 0, overMs: 0 }

  constructor(downstream: Downstream, limit: ConcurrencyLimit, seed: number) {
    this.#downstream = downstream
    this.#limit = limit
    this.#chance = seededRandom(seed).next
    this.#quota = downstream.quota?.()
    this.#backlog = downstream.arrivalsPerSecond ? 0 : Number.POSITIVE_INFINITY
  }

  run(): Result {
    const { durationMs } = this.#downstream
    this.#tick()
    let allowed = 1.5 * bestInFlight(this.#downstream, 0)
    let allowedUntil = 250
    while (true) {
      this.#fill()
      const timesOutAt = this.#timesOutAt()
      const at = Math.min(this.#events.soonest, timesOutAt)
      if (at >= durationMs) break
      if (this.#inFlight > allowed) this.#counts.overMs += at - this.#now
      this.#now = at
      if (at > allowedUntil) {
        allowed = 1.5 * bestInFlight(this.#downstream, at)
        allowedUntil = at + 250
      }
      if (timesOutAt === at) this.#end(this.#timed[this.#firstTimed++] as Request, 'failed')
      else this.#events.take()?.run()
    }
    const { ok, refused, all, overMs } = this.#counts
    return {
      goodput: (100 * ok) / capacity(this.#downstream),
      over: (100 * overMs) / durationMs,
      refused: (100 * refused) / all,
    }
  }

  #timesOutAt(): number {
    while (this.#timed[this.#firstTimed]?.left) this.#firstTimed++
    if (this.#firstTimed > 4_096) {
      this.#timed = this.#timed.slice(this.#firstTimed)
      this.#firstTimed = 0
    }
    const next = this.#timed[this.#firstTimed]
    return next ? next.startedAt + this.#downstream.timeoutMs : Number.POSITIVE_INFINITY
  }

  #tick(): void {
    const { arrivalsPerSecond } = this.#downstream
    if (arrivalsPerSecond) this.#backlog += (arrivalsPerSecond(this.#now) * TICK_MS) / 1_000
    this.#serve()
    this.#events.add(this.#now + TICK_MS, () => this.#tick())
  }

  #fill(): void {
    while (this.#inFlight < this.#limit.limit && this.#backlog >= 1) {
      const mayAt = Math.max(this.#holdUntil, this.#limit.nextStartAt)
      if (mayAt <= this.#now) this.#start()
      else {
        if (mayAt < this.#wakeAt) {
          this.#wakeAt = mayAt
          this.#events.add(mayAt, () => {
            this.#wakeAt = Number.POSITIVE_INFINITY
          })
        }
        return
      }
    }
  }

  #start(): void {
    const request = { startedAt: this.#now, left: false }
    this.#inFlight++
    this.#backlog--
    this.#counts.all++
    this.#limit.started(this.#now)
    this.#timed.push(request)
    const { cached = 0, failing, networkMs } = this.#downstream
    const refusal = this.#quota?.(this.#now)
    if (refusal) this.#events.add(this.#now + networkMs, () => this.#refuse(request, refusal.retryAfterMs))
    else if (failing && this.#chance() < failing(this.#inside + 1, this.#downstream.servers(this.#now))) {
      this.#events.add(this.#now + networkMs, () => this.#end(request, 'failed'))
    } else if (cached > 0 && this.#chance() < cached) {
      this.#events.add(this.#now + networkMs, () => this.#end(request, 'ok'))
    } else {
      this.#waiting.push(request)
      this.#serve()
    }
  }

  get #inside(): number {
    return this.#busy + this.#waiting.length - this.#first
  }

  #refuse(request: Request, retryAfterMs: number | undefined): void {
    // Every controller is spared what Retry-After forbids: the consumer sees to that.
    if (retryAfterMs !== undefined) this.#holdUntil = Math.max(this.#holdUntil, this.#now + retryAfterMs)
    this.#end(request, 'refused', retryAfterMs)
  }

  #serve(): void {
    const { spread, slowdown, networkMs, networkFactor } = this.#downstream
    const now = this.#now
    const servers = this.#downstream.servers(now)
    while (this.#busy < servers && this.#first < this.#waiting.length) {
      const slower = slowdown?.(this.#inside, servers) ?? 1
      const request = this.#waiting[this.#first++] as Request
      this.#busy++
      const serviceMs = this.#downstream.serviceMs(now) * spread(this.#chance) * slower
      this.#events.add(now + serviceMs, () => {
        this.#busy--
        const factor = networkFactor?.(this.#now, this.#chance) ?? 0.8 + 0.4 * this.#chance()
        this.#events.add(this.#now + networkMs * factor, () => this.#end(request, 'ok'))
        this.#serve()
      })
    }
    if (this.#first > 4_096) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
  }

  #end(request: Request, result: Answer, retryAfterMs?: number): void {
    if (request.left) return
    request.left = true
    const { startedAt } = request
    const quiet = retryAfterMs === undefined ? {} : { quietMs: retryAfterMs }
    this.#limit.ended({ startedAt, at: this.#now, result, inFlight: this.#inFlight, ...quiet })
    this.#inFlight--
    // What was not done comes again.
    if (result === 'ok') this.#counts.ok++
    else this.#backlog++
    if (result === 'refused') this.#counts.refused++
  }
}

/** How many requests it could have answered in all, of those that were there. */
function capacity(downstream: Downstream): number {
  const { arrivalsPerSecond } = downstream
  let sum = 0
  let backlog = arrivalsPerSecond ? 0 : Number.POSITIVE_INFINITY
  for (let at = 0; at < downstream.durationMs; at += TICK_MS) {
    if (arrivalsPerSecond) backlog += (arrivalsPerSecond(at) * TICK_MS) / 1_000
    const served = Math.min(perMsOf(downstream, at) * TICK_MS, backlog)
    backlog -= served
    sum += served
  }
  return sum
}
