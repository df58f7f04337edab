import { describe, expect, it } from 'vitest'
import type { ConsumerEvents } from '../consumer/events.ts'
import { DEFAULT_LIMITS, type Limits } from '../consumer/options.ts'
import { Emitter } from '../events.ts'
import type { EffectiveRate } from '../flow/effective-rate.ts'
import { ConsumerWork } from './consumer-work.ts'

function scene(effectiveRate: EffectiveRate, limits: Partial<Limits> = {}) {
  const events = new Emitter<ConsumerEvents>()
  const work = new ConsumerWork({
    effectiveRate,
    limits: { ...DEFAULT_LIMITS, ...limits },
    on: (name, listener) => events.on(name, listener),
  })
  const completed = (durationMs: number) => events.emit('completed', { durationMs } as ConsumerEvents['completed'])
  return { work, completed }
}

const flow = {
  rampMs: 0,
  limits: [
    { perSecond: 40, burst: 0, counts: 'tasks' },
    { perSecond: 5, burst: 0, counts: 'cost' },
  ],
} as const

describe('what bounds the work of all consumers', () => {
  it.each(['rate', 'quota', 'breaker', 'paused', 'hold'] as const)('is what bounds this one: %s', (boundBy) => {
    expect(scene({ perSecond: 12, boundBy }).work.seen.capacityPerSecond).toBe(12)
  })

  it('is not the concurrency of a process, but the rate that starts are counted by', () => {
    expect(scene({ perSecond: 2, boundBy: 'concurrency' }).work.seen.capacityPerSecond).toBe(Number.POSITIVE_INFINITY)
    expect(scene({ perSecond: 2, boundBy: 'concurrency' }, { flow }).work.seen.capacityPerSecond).toBe(40)
  })

  it('is a concurrency that is kept over all', () => {
    const { work, completed } = scene(
      { perSecond: 2, boundBy: 'concurrency' },
      { flow, concurrency: 3, concurrencyScope: 'queue' },
    )
    expect(work.seen.capacityPerSecond).toBe(40)
    completed(100)
    completed(300)
    expect(work.seen).toEqual({ finished: 2, serviceMs: 200, serviceDeviationMs: 100, capacityPerSecond: 15 })
  })
})
