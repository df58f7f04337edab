/** How many run at once, as the configuration says it: a number, one for all gateways together, or what is found. */

import { z } from 'zod'

const many = z.int().min(1).max(10_000)

export const adaptiveShape = {
  min: many.default(1),
  max: many,
  /** Keeps the limit that is in force. */
  freeze: z.boolean().default(false),
  /** Reports what it would do, and does not do it. */
  dryRun: z.boolean().default(false),
}

export const sharedShape = {
  max: many,
  /** `queue`: all consumers of the queue keep the limit together; `process`: this gateway alone. */
  scope: z.enum(['queue', 'process']).default('queue'),
}

export const concurrencySchema = z.union([
  many,
  z.strictObject({
    adaptive: z.strictObject(adaptiveShape).refine(({ min, max }) => min <= max, 'min is at most max'),
  }),
  z.strictObject(sharedShape),
])
