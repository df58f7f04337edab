/** A rate as it stands in the configuration and in `PATCH`, with its further limits; what comes out is per second. */

import { z } from 'zod'

/** Starts are counted by the machine, units of cost by whoever set them. */
const MOST_PER_SECOND = { tasks: 50_000, cost: 1_000_000_000 } as const

const SECONDS = { perSecond: 1, perMinute: 60, perHour: 3_600 } as const
type Unit = keyof typeof SECONDS

const unitsShape = {
  perSecond: z.number().positive().optional(),
  perMinute: z.number().positive().optional(),
  perHour: z.number().positive().optional(),
}

export const rateLimitShape = {
  ...unitsShape,
  /** How many of what it counts may go at once after a rest, beyond the first. */
  burst: z.number().min(0).default(0),
  /** Starts, or what their tasks cost. */
  counts: z.enum(['tasks', 'cost']).default('tasks'),
}

/** Keys have no bursts and are charged by starts. */
export const perKeyShape = {
  /** At most so many tasks of a key are in flight at once. */
  concurrency: z.int().min(1).max(10_000).optional(),
  /** At most so many tasks of a key start in that time. */
  rate: z.preprocess(
    (given) => (typeof given === 'number' ? { perSecond: given } : given),
    z
      .strictObject(unitsShape)
      .superRefine((rate, context) => check({ ...rate, burst: 0, counts: 'tasks' }, context))
      .transform((rate) => ({ perSecond: perSecond({ ...rate, burst: 0, counts: 'tasks' }).perSecond }))
      .optional(),
  ),
}

type Limit = z.output<z.ZodObject<typeof rateLimitShape>>

const limitSchema = z.strictObject(rateLimitShape).superRefine(check).transform(perSecond)

export const rateShape = {
  ...rateLimitShape,
  /** Further limits, which all hold together with this one. */
  also: z.array(limitSchema).max(10).default([]),
  /** After idleness or a pause the rate climbs over this long, ms. */
  rampMs: z.number().min(0).max(3_600_000).default(500),
}

export const rateSchema = z
  .strictObject(rateShape)
  .superRefine(check)
  .transform(({ also, rampMs, ...limit }) => ({ ...perSecond(limit), also, rampMs }))

function check(limit: Limit, context: z.RefinementCtx): void {
  const units = unitsOf(limit)
  const [unit] = units
  if (unit === undefined || units.length > 1) {
    const message =
      unit === undefined
        ? 'names no rate: perSecond, perMinute or perHour'
        : `names ${units.join(' and ')}; it is one of them, and a second limit stands in also`
    context.addIssue({ code: 'custom', message })
    return
  }
  const most = MOST_PER_SECOND[limit.counts]
  const mostOfUnit = most * SECONDS[unit]
  if ((limit[unit] as number) > mostOfUnit)
    context.addIssue({ code: 'custom', path: [unit], message: `is at most ${mostOfUnit}` })
  if (limit.burst > most) context.addIssue({ code: 'custom', path: ['burst'], message: `is at most ${most}` })
}

function perSecond(limit: Limit): { perSecond: number; burst: number; counts: 'tasks' | 'cost' } {
  const [unit] = unitsOf(limit) as [Unit]
  return { perSecond: (limit[unit] as number) / SECONDS[unit], burst: limit.burst, counts: limit.counts }
}

function unitsOf(limit: Limit): Unit[] {
  return (Object.keys(SECONDS) as Unit[]).filter((unit) => limit[unit] !== undefined)
}
