/**
 * The decorator round the port: every call is timed and its failures are counted, so that every backend has the same metrics and none
 * writes any. It changes no call and no answer.
 *
 *     claim latency = min( how long the call took, how long its longest-waiting task had waited )
 *
 * A claim is parked until work arrives; only while a task was ready as well was anything late.
 */

import type { Claim, DeadLetters, NewTask, OwnRate, PushResult, QueueService } from '../backends/queue-service.ts'
import type { SharedState } from '../backends/shared-state.ts'
import type { Clock } from '../clock.ts'
import { asForebayError } from '../errors.ts'
import { METRICS } from './metrics.ts'
import type { Histogram, Registry } from './registry.ts'

/** What is called, in the words of the port. */
export const OPERATIONS = ['push', 'claim', 'settle', 'extend', 'depth', 'find', 'dead', 'shared', 'ownRate'] as const
export type Operation = (typeof OPERATIONS)[number]

export interface ObservedServiceOptions {
  readonly queue: string
  readonly clock: Clock
  readonly registry: Registry
  /** Told the key of each task that was stored. */
  readonly onKey?: (key: string) => void
}

export function observedService(service: QueueService, options: ObservedServiceOptions): QueueService {
  const { queue, clock, registry, onKey } = options
  const time = timing(options)
  const sent = registry.series(METRICS.sent, { queue })
  const consumed = registry.series(METRICS.consumed, { queue })
  const claimDuration = registry.series(METRICS.claimDuration, { queue })
  return {
    backend: service.backend,
    capabilities: service.capabilities,
    async push(tasks, ...rest) {
      const results = await time('push', () => service.push(tasks, ...rest))
      sent.add(tasks.length)
      if (onKey) tellKeys(tasks, results, onKey)
      return results
    },
    async claim(request) {
      const asked = clock.monotonic()
      const claims = await time('claim', () => service.claim(request))
      if (claims.length > 0) {
        consumed.add(claims.length)
        claimDuration.record(latencyMs(claims, clock.monotonic() - asked) / 1_000)
      }
      return claims
    },
    settle: (settlements) => time('settle', () => service.settle(settlements)),
    extend: (claims, leaseMs) => time('extend', () => service.extend(claims, leaseMs)),
    depth: (newcomer) => time('depth', () => service.depth(newcomer)),
    find: (ids) => time('find', () => service.find(ids)),
    dead: observedDead(service.dead, time),
    ...(service.shared && { shared: observedShared(service.shared, time) }),
    ...(service.ownRate && { ownRate: observedOwnRate(service.ownRate, time) }),
    close: () => service.close(),
  }
}

type Time = <Result>(operation: Operation, call: () => Promise<Result>) => Promise<Result>

function timing({ queue, clock, registry }: ObservedServiceOptions): Time {
  const durations = new Map<Operation, Histogram>()
  const durationOf = (operation: Operation) => {
    const known = durations.get(operation) ?? registry.series(METRICS.operationDuration, { queue, operation })
    durations.set(operation, known)
    return known
  }
  return async (operation, call) => {
    const asked = clock.monotonic()
    try {
      return await call()
    } catch (thrown) {
      const { code } = asForebayError(thrown, 'BACKEND_UNAVAILABLE')
      // A call that met our own closing is no failure of the backend.
      if (code !== 'QUEUE_CLOSED') registry.series(METRICS.backendErrors, { queue, operation, code }).add()
      throw thrown
    } finally {
      durationOf(operation).record((clock.monotonic() - asked) / 1_000)
    }
  }
}

function latencyMs(claims: readonly Claim[], tookMs: number): number {
  let waitedMs = 0
  for (const claim of claims) if (claim.waitedMs > waitedMs) waitedMs = claim.waitedMs
  return Math.min(tookMs, waitedMs)
}

function tellKeys(tasks: readonly NewTask[], results: readonly PushResult[], onKey: (key: string) => void): void {
  for (const [index, { key }] of tasks.entries()) {
    if (key !== undefined && results[index]?.status === 'accepted') onKey(key)
  }
}

function observedDead(dead: DeadLetters, time: Time): DeadLetters {
  return {
    list: (page) => time('dead', () => dead.list(page)),
    redrive: (which) => time('dead', () => dead.redrive(which)),
    drop: (which) => time('dead', () => dead.drop(which)),
  }
}

function observedShared(shared: SharedState, time: Time): SharedState {
  return { apply: (cell, step) => time('shared', () => shared.apply(cell, step)) }
}

function observedOwnRate(ownRate: OwnRate, time: Time): OwnRate {
  return {
    mostPerSecond: ownRate.mostPerSecond,
    keep: (perSecond) => time('ownRate', () => ownRate.keep(perSecond)),
  }
}
