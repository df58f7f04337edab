/** Tasks that wish nothing but to run, in the order of their coming: nearly all, for which a backend may have a shorter way. */

import type { NewTask } from './queue-service.ts'

export function isPlain({ priority, delayMs, ttlMs, ordered, weight, cost, dedup }: NewTask): boolean {
  return (
    priority === 0 &&
    delayMs === 0 &&
    ttlMs === undefined &&
    !ordered &&
    weight === undefined &&
    cost === undefined &&
    dedup === undefined
  )
}
