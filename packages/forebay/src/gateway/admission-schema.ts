/** What a queue's configuration says of admission: shares of keys, and what happens at a bound. */

import { z } from 'zod'
import { TASK_BOUNDS } from '../task.ts'

export const fairShape = {
  /** By key: one of weight 2 gets twice as much as one of 1, which is what a key has that is not named. */
  weights: z.record(z.string().min(1).max(TASK_BOUNDS.keyChars), z.number().positive().max(1_000_000)),
}

export const fairSchema = z.union([z.boolean(), z.strictObject(fairShape)])

export const overflowShape = {
  policy: z.enum(['reject', 'drop-oldest', 'drop-lowest-priority', 'wait', 'spill']),
  /** With `wait`: how long a caller waits for room. */
  deadlineMs: z.number().min(1).max(3_600_000).optional(),
  /** With `spill`: the backend URL of the queue that takes what does not fit. */
  to: z.string().min(1).optional(),
}

/** Which policy needs which field: no other has it. */
const OF_POLICY = { deadlineMs: 'wait', to: 'spill' } as const

export const overflowSchema = z.strictObject(overflowShape).superRefine(checkOverflow).prefault({ policy: 'reject' })

function checkOverflow(given: z.output<z.ZodObject<typeof overflowShape>>, context: z.RefinementCtx): void {
  for (const [field, policy] of Object.entries(OF_POLICY)) {
    const isThere = given[field as keyof typeof OF_POLICY] !== undefined
    const belongs = given.policy === policy
    if (isThere === belongs) continue
    const message = belongs ? 'is missing' : `belongs to the policy "${policy}"`
    context.addIssue({ code: 'custom', path: [field], message })
  }
}
