/** What all consumers keep together, changed by many at once: each step is applied once, to what the one before it left. */

import { expect, test } from 'vitest'
import type { Step } from '../../packages/forebay/src/flow/shared-steps.ts'
import { haveRedis } from '../servers/redis.ts'
import { admin, codeOf, open, startServer, untilItWorks } from './redis-scene.ts'

const PER_SECOND = 1_000
const limits = [{ perSecond: PER_SECOND, burst: 0, counts: 'tasks' as const }]
const ONE: Step & { readonly kind: 'reserve' } = {
  kind: 'reserve',
  limits,
  rampMs: 0,
  costs: 1,
  charge: 0,
  leadMs: 0,
  horizonMs: 60_000,
}

if (haveRedis('the shared state of redis:')) {
  test('slots that many reserve at once are each given once, evenly spaced', async () => {
    const server = await startServer()
    const services = await Promise.all(Array.from({ length: 4 }, () => open(server.url)))
    const reserved = await Promise.all(
      services.flatMap((service) => Array.from({ length: 25 }, () => service.shared.apply('flow', ONE))),
    )
    const slots = reserved.flatMap(({ result }) => result.at).sort((a, b) => a - b)
    expect(slots).toHaveLength(100)
    const gaps = slots.slice(1).map((slot, index) => slot - (slots[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThan(1_000 / PER_SECOND - 0.01)
  })

  test('a step that can’t be applied is rejected, and a fresh server begins anew', async () => {
    const server = await startServer()
    const queue = await open(server.url, { timeoutMs: 500 })
    expect((await queue.shared.apply('flow', ONE)).result.at).toHaveLength(1)
    await admin(server).flushall()
    expect((await queue.shared.apply('flow', ONE)).result.at).toHaveLength(1)
    await server.stop()
    expect(await codeOf(queue.shared.apply('flow', ONE))).toBe('BACKEND_UNAVAILABLE')
    await server.start()
    expect(await untilItWorks(() => queue.shared.apply('flow', ONE))).toBeLessThan(10_000)
  })
}
