import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { metricsText } from './prometheus-text.ts'
import { LEAST_MAX_SERIES, Registry } from './registry.ts'
import { TaskSeries } from './task-series.ts'

const floods = fc.array(
  fc.record({
    what: fc.constantFrom<'offered' | 'refused' | 'dead' | 'expired'>('offered', 'refused', 'dead', 'expired'),
    type: fc.nat(40).map((n) => `type-${n}`),
  }),
  { maxLength: 200 },
)

describe('TaskSeries', () => {
  it('law: a type is counted under its own name or under `other` with everything, and nothing gets lost', () => {
    fc.assert(
      fc.property(floods, fc.integer({ min: LEAST_MAX_SERIES, max: 900 }), (flood, maxSeries) => {
        const registry = new Registry({ maxSeries })
        const tasks = new TaskSeries('orders', registry)
        for (const { what, type } of flood) {
          if (what === 'offered') tasks.of(type).offered.add()
          else if (what === 'refused') tasks.addRefused(type, 'QUEUE_FULL')
          else if (what === 'dead') {
            tasks.addDead(type, 'refused')
            tasks.recordFailed(type, 'dead', 5)
          } else tasks.addRare('expired', type)
        }
        const lines = metricsText(registry)
          .split('\n')
          .filter((line) => /^[^#]/.test(line))
        expect(lines.length).toBeLessThanOrEqual(maxSeries)
        const counts = (name: string, label: string) =>
          lines
            .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
            .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
        for (const what of ['offered', 'refused', 'dead', 'expired'] as const) {
          expect(counts(`forebay_tasks_${what}_total`, '')).toBe(flood.filter((one) => one.what === what).length)
        }
        for (const type of new Set(flood.map((one) => one.type))) {
          const own = flood.filter((one) => one.type === type)
          const label = `type="${type}"`
          if (counts('forebay_tasks_started_total', label) === 0 && !lines.some((line) => line.includes(label)))
            continue
          const offered = own.filter(({ what }) => what === 'offered').length
          expect(counts('forebay_tasks_offered_total', label)).toBe(offered)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps nothing of types that do not fit, and stays quick', () => {
    const registry = new Registry({ maxSeries: LEAST_MAX_SERIES })
    const tasks = new TaskSeries('orders', registry)
    for (let n = 0; n < 50_000; n++) tasks.of(`type-${n}`).offered.add()
    expect(tasks.of('type-9')).toBe(tasks.of('type-49999'))
    expect(tasks.of('type-0')).not.toBe(tasks.of('type-9999'))
    expect(metricsText(registry)).toMatch(/^forebay_series_folded_total 49\d{3}$/m)
  })
})
