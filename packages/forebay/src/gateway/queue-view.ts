/** A queue as callers see it. */

import type { EffectiveRate } from '../flow/effective-rate.ts'
import type { GatewayQueue } from './gateway-queue.ts'

export async function queueView({ name, settings, queue, consumer, replies, flow }: GatewayQueue): Promise<object> {
  const [depth, spill] = await Promise.all([queue.depth(), queue.spilled()])
  const { ready, delayed, inFlight, dead, oldestReadyAgeMs, bytes } = depth
  const { concurrency, maxAttempts, timeoutMs } = consumer.limits
  const { limits, rampMs } = consumer.limits.flow
  const [first, ...also] = limits
  const { origin, pathname } = new URL(settings.target.url)
  return {
    name,
    state: consumer.state,
    standsStill: consumer.standsStill ?? null,
    // Without its query, which may hold a key.
    target: `${origin}${pathname}`,
    limits: {
      rate: { ...first, also, rampMs },
      concurrency,
      maxAttempts,
      timeoutMs,
      maxDepth: settings.maxDepth,
      overflow: settings.overflow.policy,
      shedLate: settings.shedLate,
    },
    effectiveRate: effectiveRateView(consumer.effectiveRate),
    depth: { ready, delayed, inFlight, dead, oldestReadyAgeMs: oldestReadyAgeMs ?? null, bytes: bytes ?? null },
    spilled: spill ? spill.ready + spill.delayed + spill.inFlight : null,
    rates: flow.perSecond,
    totals: flow.totals,
    waitingCallers: replies.waiting,
    waitingProducers: queue.waiting,
  }
}

/** JSON has no Infinity: where nothing is known to bound the flow it is null. */
export function effectiveRateView({ perSecond, boundBy }: EffectiveRate): EffectiveRateView {
  return { perSecond: Number.isFinite(perSecond) ? perSecond : null, boundBy }
}

export interface EffectiveRateView {
  readonly perSecond: number | null
  readonly boundBy: EffectiveRate['boundBy']
}
