/** The scaling objective of a queue in the configuration. */

import { z } from 'zod'

export const scalingShape = {
  /** The longest wait that is still in time. */
  waitMs: z.number().positive().max(604_800_000).default(60_000),
  /** The share of tasks that may wait longer. */
  lateShare: z.number().positive().lt(1).default(0.01),
  /** From asking for a worker until it takes tasks. */
  startUpMs: z.number().min(0).max(86_400_000).default(30_000),
  /** Time between decisions. */
  controlMs: z.number().min(100).max(86_400_000).default(15_000),
  /** Tasks that one worker runs at once. */
  slots: z.int().min(1).max(100_000).default(1),
  min: z.int().min(0).max(100_000).default(0),
  max: z.int().min(1).max(100_000).default(100),
}

export const scalingSchema = z.strictObject(scalingShape).refine(({ min, max }) => min <= max, 'min is at most max')
