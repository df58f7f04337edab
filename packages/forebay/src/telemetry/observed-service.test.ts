import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBackend } from '../backends/open-backend.ts'
import type { QueueService } from '../backends/queue-service.ts'
import { VirtualClock } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { seededRandom } from '../random.ts'
import { METRICS } from './metrics.ts'
import { observedService, OPERATIONS } from './observed-service.ts'
import { type Histogram, Registry } from './registry.ts'

async function house(change: (service: QueueService) => Partial<QueueService> = () => ({})) {
  const clock = new VirtualClock()
  const service = await openBackend('memory:', { queue: 'orders', clock, random: seededRandom(1) })
  const keys: string[] = []
  const registry = new Registry()
  // The methods are on the class: what is changed lies before them.
  const changed = Object.setPrototypeOf(change(service), service) as QueueService
  const bound = new Proxy(changed, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, Object.hasOwn(target, name) ? target : service)
      return typeof value === 'function' ? value.bind(Object.hasOwn(target, name) ? target : service) : value
    },
  })
  const onKey = (key: string) => keys.push(key)
  const observed = observedService(bound, { queue: 'orders', clock, registry, onKey })
  return { clock, service, registry, observed, keys }
}

const task = (id: string, key?: string) => ({
  id,
  type: 'charge',
  payload: '1',
  priority: 0,
  delayMs: 0,
  ...(key !== undefined && { key }),
})
const request = { max: 10, leaseMs: 30_000, waitMs: 0 }

describe('observedService', () => {
  it('answers as the backend does, and times every operation of the port', async () => {
    const { observed, registry, service } = await house(() => ({
      ownRate: { mostPerSecond: 500, keep: async () => {} },
    }))
    expect(observed.capabilities).toBe(service.capabilities)
    expect(await observed.push([task('a'), task('b')])).toEqual([
      { status: 'accepted', id: 'a' },
      { status: 'accepted', id: 'b' },
    ])
    const [first, second] = await observed.claim(request)
    if (!first || !second) throw new Error('Nothing was granted.')
    const extended = await observed.extend([first], 60_000)
    expect(extended).toMatchObject([{ status: 'extended' }])
    const settled = await observed.settle([{ claim: second, outcome: 'dead', reason: 'refused' }])
    expect(settled).toEqual([{ status: 'settled' }])
    expect(await observed.depth()).toMatchObject({ inFlight: 1, dead: 1 })
    expect(await observed.find(['b'])).toMatchObject([{ state: 'dead' }])
    expect((await observed.dead.list({ limit: 10 })).items).toHaveLength(1)
    expect(await observed.dead.redrive(['b'])).toBe(1)
    expect(await observed.dead.drop('all')).toBe(0)
    expect(await observed.shared?.apply('flow', { kind: 'hold', delayMs: 1 })).toMatchObject({ now: 0 })
    expect(observed.ownRate?.mostPerSecond).toBe(500)
    await observed.ownRate?.keep(50)
    await observed.close()
    const timed = OPERATIONS.map(
      (operation) => registry.series(METRICS.operationDuration, { queue: 'orders', operation }).count,
    )
    expect(Object.fromEntries(OPERATIONS.map((name, index) => [name, timed[index]]))).toEqual({
      push: 1,
      claim: 1,
      settle: 1,
      extend: 1,
      depth: 1,
      find: 1,
      dead: 3,
      shared: 1,
      ownRate: 1,
    })
    expect(registry.series(METRICS.sent, { queue: 'orders' }).value).toBe(2)
    expect(registry.series(METRICS.consumed, { queue: 'orders' }).value).toBe(2)
  })

  it('counts what fails by operation and code, and throws what it threw', async () => {
    const away = new ForebayError('BACKEND_UNAVAILABLE', 'The backend is away.')
    const { observed, registry } = await house(() => ({ push: () => Promise.reject(away) }))
    await expect(observed.push([task('a')])).rejects.toBe(away)
    const labels = { queue: 'orders', operation: 'push', code: 'BACKEND_UNAVAILABLE' }
    expect(registry.series(METRICS.backendErrors, labels).value).toBe(1)
    expect(registry.series(METRICS.sent, { queue: 'orders' }).value).toBe(0)
  })

  it('does not count a call that met our own closing', async () => {
    const { observed, registry } = await house()
    await observed.close()
    await expect(observed.depth()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
    const labels = { queue: 'orders', operation: 'depth', code: 'QUEUE_CLOSED' }
    expect(registry.series(METRICS.backendErrors, labels).value).toBe(0)
  })

  it('passes the bounds and the transaction of a push on, and has no shared state where there is none', async () => {
    const pushed: unknown[][] = []
    const { observed } = await house(() => ({
      push: (...args) => {
        pushed.push(args)
        return Promise.resolve([])
      },
      shared: undefined as never,
    }))
    const transaction = {}
    await observed.push([task('a')], { maxDepth: 3 }, transaction)
    expect(pushed).toEqual([[[task('a')], { maxDepth: 3 }, transaction]])
    expect(observed.shared).toBeUndefined()
  })

  it('tells the keys of tasks that were stored, and of no other', async () => {
    const { observed, keys } = await house()
    await observed.push([task('a', 'tenant-1'), task('b'), task('a', 'tenant-2')])
    expect(keys).toEqual(['tenant-1'])
  })

  it('law: a claim counts as late only for as long as a task was ready and the claim was under way', async () => {
    const times = fc.record({
      tookMs: fc.nat(5_000),
      waitedMs: fc.array(fc.nat(5_000), { minLength: 1, maxLength: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(times, async ({ tookMs, waitedMs }) => {
        const granted = waitedMs.map((ms) => ({ waitedMs: ms }))
        const { clock, observed, registry } = await house(() => ({
          claim: () => new Promise((resolve) => void clock.after(tookMs, () => resolve(granted as never))),
        }))
        const claiming = observed.claim(request)
        await clock.advance(tookMs)
        await claiming
        const late: Histogram = registry.series(METRICS.claimDuration, { queue: 'orders' })
        expect(late.sum).toBeCloseTo(Math.min(tookMs, Math.max(...waitedMs)) / 1_000, 9)
      }),
      { numRuns: 300 },
    )
  })
})
