import { expect, it } from 'vitest'
import { metricsOf } from './metrics-text.ts'

const TEXT = `# HELP messaging_process_duration_seconds How long attempts took.
# TYPE messaging_process_duration_seconds histogram
messaging_process_duration_seconds_bucket{queue="orders",type="charge",outcome="complete",le="0.5"} 90
messaging_process_duration_seconds_bucket{queue="orders",type="charge",outcome="complete",le="1"} 94
messaging_process_duration_seconds_bucket{queue="orders",type="charge",outcome="complete",le="+Inf"} 95
messaging_process_duration_seconds_bucket{queue="orders",type="mail",outcome="retry",le="0.5"} 5
messaging_process_duration_seconds_bucket{queue="orders",type="mail",outcome="retry",le="1"} 5
messaging_process_duration_seconds_bucket{queue="orders",type="mail",outcome="retry",le="+Inf"} 5
messaging_process_duration_seconds_bucket{queue="slow",le="1"} 1
messaging_process_duration_seconds_bucket{queue="slow",le="+Inf"} 9
forebay_leases_lost_total{queue="orders",type="charge"} 2
forebay_leases_lost_total{queue="orders",type="mail"} 1 1700000000000
forebay_key_tasks{queue="orders",key="tenant \\"7\\", or so"} 40
forebay_key_tasks{queue="other",key="x"} 1
`

it('reads what a gateway says of one queue', () => {
  expect(metricsOf(TEXT, 'orders')).toEqual({
    serviceP99Ms: 1_000,
    leasesLost: 3,
    keys: [{ key: 'tenant "7", or so', tasks: 40 }],
  })
})

it('takes the widest bound where the p99 lies beyond it', () => {
  expect(metricsOf(TEXT, 'slow').serviceP99Ms).toBe(1_000)
})

it('knows nothing where nothing is said', () => {
  const nothing = { serviceP99Ms: undefined, leasesLost: undefined, keys: [] }
  expect(metricsOf(TEXT, 'unknown')).toEqual(nothing)
  expect(metricsOf('<html>not found</html>', 'orders')).toEqual(nothing)
})
