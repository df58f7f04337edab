/** Which permits a consumer starts by: of its own, or of the rate that all consumers of the queue share. */

import type { QueueService } from '../backends/queue-service.ts'
import { ForebayError } from '../errors.ts'
import type { PacerSettings } from '../flow/pacer.ts'
import { OwnPermits, type Permits } from './permits.ts'
import { SharedPermits, type SharedPermitsOptions } from './shared-permits.ts'

/** @throws ForebayError UNSUPPORTED if the backend cannot keep the rate that is asked for. */
export function choosePermits(
  { pacer, backend }: Pick<QueueService, 'pacer' | 'backend'>,
  settings: PacerSettings,
  scope: 'queue' | 'process',
  options: Omit<SharedPermitsOptions, 'pacer'>,
): Permits {
  if (scope === 'process') return new OwnPermits(settings)
  if (pacer) return new SharedPermits(settings, { pacer, ...options })
  if (settings.perSecond === Number.POSITIVE_INFINITY) return new OwnPermits(settings)
  const message = `The ${backend} backend can't keep one rate over all consumers of the queue; say rate.scope "process" if there is only one.`
  throw new ForebayError('UNSUPPORTED', message, { path: 'rate.scope' })
}
