/** A queue as callers see it. */

import type { GatewayQueue } from './gateway-queue.ts'

export async function queueView({ name, settings, queue, consumer, replies, flow }: GatewayQueue): Promise<object> {
  const { ready, delayed, inFlight, dead, oldestReadyAgeMs, bytes } = await queue.depth()
  const { perSecond, concurrency, maxAttempts, timeoutMs } = consumer.limits
  const { rampMs } = consumer.limits.flow
  const { origin, pathname } = new URL(settings.target.url)
  return {
    name,
    state: consumer.state,
    standsStill: consumer.standsStill ?? null,
    // Without its query, which may hold a key.
    target: `${origin}${pathname}`,
    limits: { rate: { perSecond, rampMs }, concurrency, maxAttempts, timeoutMs, maxDepth: settings.maxDepth },
    depth: { ready, delayed, inFlight, dead, oldestReadyAgeMs: oldestReadyAgeMs ?? null, bytes: bytes ?? null },
    rates: flow.perSecond,
    totals: flow.totals,
    waitingCallers: replies.waiting,
  }
}
