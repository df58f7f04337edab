/** The decorator changes no call and no answer: a backend that it stands round keeps every promise that it kept without. */

import { openMemory } from '../../packages/forebay/src/backends/memory/memory-queue-service.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { observedService } from '../../packages/forebay/src/telemetry/observed-service.ts'
import { Registry } from '../../packages/forebay/src/telemetry/registry.ts'
import { testConformance } from './in-vitest.ts'

testConformance('memory: with telemetry round it', async () => {
  const clock = new VirtualClock()
  const registry = new Registry()
  return {
    exactTime: true,
    open: async (queue) => {
      const service = await openMemory({ name: 'observed', queue, clock })
      return observedService(service, { queue, clock, registry, onKey: () => {} })
    },
    elapse: (ms) => clock.advance(ms),
    stop: async () => {},
  }
})
