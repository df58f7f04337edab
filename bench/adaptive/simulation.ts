/**
 * A downstream that is only simulated, and a consumer with an endless backlog in front of it: events in a heap, no real time.
 *
 * The downstream has a number of servers and a queue before them, and a round trip of network that needs no server. A
 * caller that timed out has left, but its work is done nevertheless, as in most real services.
 */

import type { ConcurrencyLimit } from '../../packages/forebay/src/flow/concurrency-limit.ts'
import { seededRandom } from '../../packages/forebay/src/random.ts'

export interface Downstream {
  readonly durationMs: number
  readonly timeoutMs: number
  readonly networkMs: number
  /** Busy at once, at most. */
  servers(atMs: number): number
  /** Mean service time. */
  serviceMs(atMs: number): number
  /** A factor of mean 1 on the service time. */
  spread(chance: () => number): number
  /** Latency beside the service that needs no server, as a factor on the network's. */
  networkFactor?(atMs: number, chance: () => number): number
  /** How much slower it serves with so many requests inside. */
  slowdown?(inside: number, servers: number): number
  /** Whether one more request is answered now: undefined, or the Retry-After of the 429. */
  quota?: () => (atMs: number) => number | undefined
  /** Where a quota is the bound: completions per second that it allows. */
  readonly quotaPerSecond?: number
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
  const perMs = Math.min(
    downstream.servers(atMs) / downstream.serviceMs(atMs),
    (downstream.quotaPerSecond ?? Number.POSITIVE_INFINITY) / 1_000,
  )
  const least = perMs * (downstream.serviceMs(atMs) + downstream.networkMs)
  return Math.max(1, least + 0.5 * Math.sqrt(least))
}

interface Request {
  readonly startedAt: number
  left: boolean
}

export function simulate(downstream: Downstream, limit: ConcurrencyLimit, seed: number): Result {
  const chance = seededRandom(seed).next
  const refuses = downstream.quota?.()
  const events = new EventHeap()
  const waiting: Request[] = []
  let now = 0
  let first = 0
  let busy = 0
  let inFlight = 0
  let holdUntil = Number.NEGATIVE_INFINITY
  let wakeAt = Number.POSITIVE_INFINITY
  const counts = { ok: 0, refused: 0, all: 0, overMs: 0 }

  const end = (request: Request, result: 'ok' | 'failed' | 'refused') => {
    if (request.left) return
    request.left = true
    limit.ended({ startedAt: request.startedAt, at: now, result, inFlight })
    inFlight--
    if (result === 'ok') counts.ok++
    if (result === 'refused') counts.refused++
  }
  const serve = () => {
    while (busy < downstream.servers(now) && first < waiting.length) {
      const request = waiting[first++] as Request
      const inside = busy + 1 + waiting.length - first
      const slower = downstream.slowdown?.(inside, downstream.servers(now)) ?? 1
      busy++
      const serviceMs = downstream.serviceMs(now) * downstream.spread(chance) * slower
      events.add(now + serviceMs, () => {
        busy--
        const back = downstream.networkMs * (downstream.networkFactor?.(now, chance) ?? 0.8 + 0.4 * chance())
        events.add(now + back, () => end(request, 'ok'))
        serve()
      })
    }
    if (first > 4_096 || first === waiting.length) {
      waiting.splice(0, first)
      first = 0
    }
  }
  const start = () => {
    const request = { startedAt: now, left: false }
    inFlight++
    counts.all++
    limit.started(now)
    events.add(now + downstream.timeoutMs, () => end(request, 'failed'))
    const retryAfterMs = refuses?.(now)
    if (retryAfterMs === undefined) {
      waiting.push(request)
      serve()
      return
    }
    events.add(now + downstream.networkMs, () => {
      // Every controller is spared what Retry-After forbids: the consumer sees to that.
      holdUntil = Math.max(holdUntil, now + retryAfterMs)
      end(request, 'refused')
    })
  }
  const fill = () => {
    while (inFlight < limit.limit) {
      const mayAt = Math.max(holdUntil, limit.nextStartAt)
      if (mayAt > now) {
        if (mayAt < wakeAt) {
          wakeAt = mayAt
          events.add(mayAt, () => {
            wakeAt = Number.POSITIVE_INFINITY
          })
        }
        return
      }
      start()
    }
  }
  const sampleEveryMs = 1_000
  const tick = () => {
    serve()
    events.add(now + sampleEveryMs, tick)
  }
  tick()
  let allowed = 1.5 * bestInFlight(downstream, 0)
  let allowedUntil = 250
  while (true) {
    fill()
    const event = events.take()
    if (!event || event.at >= downstream.durationMs) break
    if (inFlight > allowed) counts.overMs += event.at - now
    now = event.at
    if (now > allowedUntil) {
      allowed = 1.5 * bestInFlight(downstream, now)
      allowedUntil = now + 250
    }
    event.run()
  }
  return {
    goodput: (100 * counts.ok) / capacity(downstream),
    over: (100 * counts.overMs) / downstream.durationMs,
    refused: (100 * counts.refused) / counts.all,
  }
}

/** How many requests it could have answered in all. */
function capacity(downstream: Downstream): number {
  const stepMs = 100
  let sum = 0
  for (let at = 0; at < downstream.durationMs; at += stepMs) {
    const served = (stepMs * downstream.servers(at)) / downstream.serviceMs(at)
    sum += Math.min(served, (stepMs * (downstream.quotaPerSecond ?? Number.POSITIVE_INFINITY)) / 1_000)
  }
  return sum
}

interface SimulatedEvent {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** The soonest first; of two at one time, the one that was added first. */
class EventHeap {
  readonly #items: SimulatedEvent[] = []
  #added = 0

  add(at: number, run: () => void): void {
    const items = this.#items
    const item = { at, order: this.#added++, run }
    let index = items.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(item, items[parent] as SimulatedEvent)) break
      items[index] = items[parent] as SimulatedEvent
      index = parent
    }
    items[index] = item
  }

  take(): SimulatedEvent | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (!last || items.length === 0) return top
    let index = 0
    while (true) {
      let child = 2 * index + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1] as SimulatedEvent, items[child] as SimulatedEvent))
        child++
      if (!isBefore(items[child] as SimulatedEvent, last)) break
      items[index] = items[child] as SimulatedEvent
      index = child
    }
    items[index] = last
    return top
  }
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
