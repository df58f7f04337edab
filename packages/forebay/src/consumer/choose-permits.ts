/** Which permits a consumer starts by: of its own, or of the rate that all consumers of the queue share. */

import type { QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import type { FlowSettings } from '../flow/flow-limits.ts'
import { isUnlimited, OwnPermits, type Permits } from './permits.ts'
import { SharedPermits, type SharedPermitsOptions } from './shared-permits.ts'

/** @throws ForebayError UNSUPPORTED if the backend cannot keep the rate that is asked for. */
export function choosePermits(
  { shared, backend }: Pick<QueueService, 'shared' | 'backend'>,
  settings: FlowSettings,
  scope: 'queue' | 'process',
  options: Omit<SharedPermitsOptions, 'shared'>,
): Permits {
  if (scope === 'process') return new OwnPermits(settings)
  if (shared) return new SharedPermits(settings, { shared, ...options })
  if (isUnlimited(settings)) return new OwnPermits(settings)
  const message = `The ${backend} backend can't keep one rate over all consumers of the queue; say rate.scope "process" if there is only one.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'rate.scope' })
}
