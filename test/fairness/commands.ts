/** Commands to two engines that must answer them alike, drawn at random. */

import fc from 'fast-check'

export const span = fc.constantFrom(0, 0, 1, 50, 400)

const limits = fc.record(
  { concurrency: fc.integer({ min: 1, max: 3 }), perSecond: fc.constantFrom(2, 10) },
  { requiredKeys: [] },
)

const bounds = fc.record(
  {
    maxDepth: fc.integer({ min: 1, max: 12 }),
    maxBytes: fc.integer({ min: 4, max: 40 }),
    overflow: fc.constantFrom('reject' as const, 'drop-oldest' as const, 'drop-lowest-priority' as const),
  },
  { requiredKeys: [] },
)

/** @param task What is pushed, or asked about. */
export function commandOf<Task>(task: fc.Arbitrary<Task>) {
  return fc.oneof(
    fc.record({ do: fc.constant('push' as const), tasks: fc.array(task, { minLength: 1, maxLength: 5 }), bounds }),
    fc.record({
      do: fc.constant('claim' as const),
      max: fc.integer({ min: 1, max: 6 }),
      perKey: limits,
      leaseMs: span,
    }),
    fc.record({
      do: fc.constant('settle' as const),
      back: fc.nat(5),
      outcome: fc.constantFrom('complete', 'complete', 'retry', 'dead', 'expire', 'release'),
      delayMs: span,
    }),
    fc.record({ do: fc.constant('elapse' as const), ms: span }),
    fc.record({ do: fc.constant('redrive' as const) }),
    fc.record({ do: fc.constant('ask' as const), task }),
  )
}
