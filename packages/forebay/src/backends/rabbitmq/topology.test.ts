import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LEAST_STEP_MS, Topology } from './topology.ts'

const topology = new Topology('forebay', 'orders', 'quorum')

/** How long the queue `queue` keeps a message. */
function keepsMs(queue: string): number {
  return queue === topology.due ? 0 : LEAST_STEP_MS * 4 ** topology.delays.indexOf(queue)
}

it('law: a delay passes through queues that keep it as long as it lasts, and few of them', () => {
  const delay = fc.oneof(
    fc.double({ min: 0.001, max: 10_000, noNaN: true }),
    fc.integer({ min: 1, max: 30 * 24 * 3_600_000 }),
    fc.integer({ min: 0, max: 8 }).map((step) => LEAST_STEP_MS * 4 ** step),
  )
  fc.assert(
    fc.property(delay, (delayMs) => {
      let kept = 0
      let passed = 0
      for (let leftMs = delayMs; leftMs > 0; passed++) {
        const next = topology.delayed(leftMs)
        if (next.queue === topology.due) {
          // Kept by the clerk.
          kept += next.leftMs
          break
        }
        kept += keepsMs(next.queue)
        leftMs = next.leftMs
      }
      expect(kept).toBeGreaterThanOrEqual(delayMs * (1 - 1e-9))
      expect(kept).toBeLessThan(delayMs * (1 + 1e-6) + 0.001)
      const longest = keepsMs(topology.delays.at(-1) as string)
      expect(passed).toBeLessThanOrEqual(3 * topology.delays.length + delayMs / longest)
    }),
    { numRuns: 1_000 },
  )
})

it('no queue of one Forebay queue can be another one’s', () => {
  const names = ['a', 'a.due', 'a-dead', 'due'].map((name) => new Topology('forebay', name, 'quorum'))
  const queues = names.flatMap(({ main, due, dead, deadLock, delays }) => [main, due, dead, deadLock, ...delays])
  expect(new Set(queues).size).toBe(queues.length)
})
