/** A server whose clock is set: queue time never goes back, and what waits is neither lost nor held up. */

import { expect, test } from 'vitest'
import type { Step } from '../../packages/forebay/src/flow/shared-steps.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { openClocked } from '../servers/clocked-redis.ts'
import { haveRedis } from '../servers/redis.ts'
import { afterwards, startServer, task } from './redis-scene.ts'

const HOUR_MS = 3_600_000

/** A server's clock that somebody sets. */
class SetClock extends VirtualClock {
  setBy = 0

  override now(): number {
    return super.now() + this.setBy
  }
}

async function openSet() {
  const server = await startServer()
  const clock = new SetClock()
  const queue = await openClocked(server.url, 'faults', clock)
  afterwards(() => queue.close())
  const claim = (leaseMs = 60_000) => queue.claim({ max: 10, leaseMs, waitMs: 0 })
  return { clock, queue, claim }
}

if (haveRedis('a Redis server whose clock is set')) {
  test.each([
    ['an hour', HOUR_MS],
    ['ten years', 10 * 365 * 24 * HOUR_MS],
  ])('set back by %s: delays, leases, windows and the order go on as if nothing had happened', async (_, back) => {
    const { clock, queue, claim } = await openSet()
    const dedup = { id: 'd', windowMs: 1_000 }
    await queue.push([task('now', { dedup }), task('later', { delayMs: 500 })])
    const [held] = await claim(800)
    expect(held?.id).toBe('now')
    clock.setBy = -back
    await queue.push([task('after')])
    expect((await claim()).map(({ id }) => id)).toEqual(['after'])
    expect(await queue.push([task('x', { dedup })])).toEqual([{ status: 'duplicate', id: 'now' }])
    await clock.advance(499)
    expect(await claim()).toEqual([])
    await clock.advance(1)
    expect((await claim()).map(({ id, waitedMs }) => [id, waitedMs])).toEqual([['later', 0]])
    await clock.advance(300)
    expect((await claim()).map(({ id }) => id)).toEqual(['now'])
    await clock.advance(200)
    expect((await queue.push([task('x', { dedup })]))[0]?.status).toBe('accepted')
  })

  test('set back: what was pushed before still goes before what is pushed after', async () => {
    const { clock, queue, claim } = await openSet()
    await queue.push([task('a'), task('b')])
    clock.setBy = -HOUR_MS
    await queue.push([task('c')])
    clock.setBy = 0
    await queue.push([task('d')])
    expect((await claim()).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
  })

  test('set back: a rate that is shared stands still for no longer than its own interval', async () => {
    const { clock, queue } = await openSet()
    const limits = [{ perSecond: 10, burst: 0, counts: 'tasks' as const }]
    const step: Step = { kind: 'reserve', limits, rampMs: 0, costs: 1, charge: 0, leadMs: 0, horizonMs: 250 }
    const { now } = await queue.shared.apply('flow', step)
    clock.setBy = -HOUR_MS
    await clock.advance(100)
    const later = await queue.shared.apply('flow', step)
    expect(later.now).toBeGreaterThanOrEqual(now)
    expect(later.now).toBeLessThan(now + 200)
  })

  test('set on by an hour: leases end early and tokens fence, nothing is lost', async () => {
    const { clock, queue, claim } = await openSet()
    await queue.push([task('a')])
    const [held] = await claim()
    clock.setBy = HOUR_MS
    const [again] = await claim()
    expect(again?.id).toBe('a')
    const settle = (one = held) => queue.settle([{ claim: one ?? { id: '', token: '' }, outcome: 'complete' }])
    expect(await settle()).toEqual([{ status: 'stale' }])
    expect(await settle(again)).toEqual([{ status: 'settled' }])
  })
}
