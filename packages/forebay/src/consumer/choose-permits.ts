/** Which permits a consumer starts by: of its own, or of the rate that all consumers of the queue share. */

import { ForebayError } from '../errors.ts'
import type { FlowSettings } from '../flow/flow-limits.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { isUnlimited, OwnPermits, type Permits } from './permits.ts'
import { SharedPermits, type SharedPermitsOptions } from './shared-permits.ts'

/** What to do where a backend has no atomic state. */
export const ADD_A_COORDINATOR =
  "Open the queue with a coordinator that can, such as coordinator: 'redis://...' or 'sqlite:FILE'"

/** @throws ForebayError UNSUPPORTED if neither the backend nor a coordinator can keep the rate that is asked for. */
export function choosePermits(
  { shared, service }: Pick<LoadLevelingQueue, 'shared' | 'service'>,
  settings: FlowSettings,
  scope: 'queue' | 'process',
  options: Omit<SharedPermitsOptions, 'shared'>,
): Permits {
  if (scope === 'process') return new OwnPermits(settings)
  if (shared) return new SharedPermits(settings, { shared, ...options })
  if (isUnlimited(settings)) return new OwnPermits(settings)
  const message =
    `The ${service.backend} backend can't keep one rate over all consumers of the queue. ${ADD_A_COORDINATOR}, ` +
    'or say rate.scope "process" if there is only one consumer.'
  throw new ForebayError('UNSUPPORTED', message, { path: 'rate.scope' })
}
