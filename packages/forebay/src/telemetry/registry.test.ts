import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { METRICS } from './metrics.ts'
import { metricsText } from './prometheus-text.ts'
import { LEAST_MAX_SERIES, Registry } from './registry.ts'

function samples(registry: Registry): string[] {
  return metricsText(registry)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** What callers may do to it: any types, far more than there is room for. */
const floods = fc.array(
  fc.record({
    what: fc.constantFrom<'count' | 'observe' | 'show'>('count', 'observe', 'show'),
    queue: fc.constantFrom('orders', 'mail', 'other'),
    type: fc.nat(60).map((n) => (n === 60 ? 'other' : `type-${n}`)),
  }),
  { minLength: 60, maxLength: 200 },
)

describe('Registry', () => {
  it('law: there are never more series than allowed, and nothing that is counted gets lost', () => {
    fc.assert(
      fc.property(floods, fc.integer({ min: LEAST_MAX_SERIES, max: 700 }), (flood, maxSeries) => {
        const registry = new Registry({ maxSeries })
        for (const { what, queue, type } of flood) {
          if (what === 'count') registry.series(METRICS.offered, { queue, type }).add()
          else if (what === 'observe') {
            registry.series(METRICS.processDuration, { queue, type, outcome: 'completed' }).record(0.1)
          } else registry.series(METRICS.depth, { queue, state: type }).set(1)
        }
        const lines = samples(registry)
        expect(lines.length).toBeLessThanOrEqual(maxSeries)
        const total = (name: string) =>
          lines.filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
        const times = (wanted: string) => flood.filter(({ what }) => what === wanted).length
        expect(total('forebay_tasks_offered_total{')).toBe(times('count'))
        expect(total('messaging_process_duration_seconds_count{')).toBe(times('observe'))
      }),
      { numRuns: 1_000 },
    )
  })

  it('has room for every metric as `other`, whatever came first', () => {
    const registry = new Registry({ maxSeries: LEAST_MAX_SERIES })
    for (let n = 0; n < 10_000; n++) registry.series(METRICS.offered, { queue: 'orders', type: `t${n}` }).add()
    for (const metric of Object.values(METRICS)) {
      if (metric.kind === 'counter') registry.series(metric, { queue: 'late' }).add()
      if (metric.kind === 'histogram') registry.series(metric, { queue: 'late' }).record(1)
    }
    const lines = samples(registry)
    expect(lines.length).toBeLessThanOrEqual(LEAST_MAX_SERIES)
    expect(lines).toContain('forebay_leases_lost_total{queue="other"} 1')
    expect(lines).toContain('forebay_task_wait_duration_seconds_count{queue="other"} 1')
    const folded = lines.find((line) => line.startsWith('forebay_series_folded_total'))
    expect(Number(folded?.split(' ')[1])).toBeGreaterThan(9_000)
  })

  it('leaves out a gauge that does not fit, since gauges do not add up', () => {
    const registry = new Registry({ maxSeries: LEAST_MAX_SERIES })
    for (let n = 0; n < 1_000; n++) registry.series(METRICS.depth, { queue: `q${n}`, state: 'ready' }).set(7)
    const lines = samples(registry).filter((line) => line.startsWith('forebay_queue_depth'))
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.includes('other'))).toEqual([])
  })

  it('has room again for what is forgotten', () => {
    const registry = new Registry({ maxSeries: LEAST_MAX_SERIES })
    for (let n = 0; n < 10_000; n++) {
      registry.series(METRICS.keyTasks, { queue: 'orders', key: `k${n}` }).set(n)
      registry.forget(METRICS.keyTasks, { queue: 'orders', key: `k${n}` })
    }
    registry.series(METRICS.keyTasks, { queue: 'orders', key: 'last' }).set(1)
    expect(samples(registry)).toEqual([
      'forebay_series_folded_total 0',
      'forebay_key_tasks{queue="orders",key="last"} 1',
    ])
  })

  it('gives the same series for the same labels', () => {
    const registry = new Registry()
    const labels = { queue: 'orders', type: 'charge' }
    expect(registry.series(METRICS.offered, { ...labels })).toBe(registry.series(METRICS.offered, labels))
    expect(registry.series(METRICS.offered, labels)).not.toBe(registry.series(METRICS.accepted, labels))
  })
})
