/** Tasks, and what is asked for them, of the tests of the postgres backend's own tables. */

import type { Claim, NewTask } from '../../packages/forebay/src/backends/queue-service.ts'

export const task = (id: string, more: Partial<NewTask> = {}): NewTask => ({
  id,
  type: 'charge',
  payload: '1',
  priority: 0,
  delayMs: 0,
  ...more,
})

export const tasks = (count: number, prefix = 't'): NewTask[] =>
  Array.from({ length: count }, (_, n) => task(`${prefix}${n}`))

export const now = { leaseMs: 60_000, waitMs: 0 }

export const complete = (claim: Claim) => ({ claim, outcome: 'complete' as const })
