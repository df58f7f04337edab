import { openMemory } from '../../packages/forebay/src/backends/memory/memory-queue-service.ts'
import { VirtualClock } from '../../packages/forebay/src/clock.ts'
import { testConformance } from './in-vitest.ts'

testConformance('memory:', async () => {
  const clock = new VirtualClock()
  return {
    exactTime: true,
    open: async (queue) => openMemory({ name: 'conformance', queue, clock }),
    elapse: (ms) => clock.advance(ms),
    stop: async () => {},
  }
})
