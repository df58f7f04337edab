/** Which permits a consumer starts by: of its own, or of the rate that all consumers of the queue share. */

import { ForebayError } from '../errors.ts'
import { type FlowSettings, startsPerSecond } from '../flow/flow-limits.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { OwnRatePermits } from './own-rate-permits.ts'
import { isUnlimited, OwnPermits, type Permits } from './permits.ts'
import { SharedPermits, type SharedPermitsOptions } from './shared-permits.ts'

/** What to do where a backend has no atomic state. */
export const ADD_A_COORDINATOR =
  "Open the queue with a coordinator that can, such as coordinator: 'redis://...' or 'sqlite:FILE'"

type Sharing = Pick<LoadLevelingQueue, 'shared' | 'service'>
type Scope = 'queue' | 'process'

/** @throws ForebayError UNSUPPORTED if neither the backend nor a coordinator can keep the rate that is asked for. */
export function choosePermits(
  queue: Sharing,
  settings: FlowSettings,
  scope: Scope,
  options: Omit<SharedPermitsOptions, 'shared'>,
): Permits {
  checkRate(queue, settings, scope)
  const { shared, service } = queue
  if (scope === 'process' || !shared) return new OwnPermits(settings)
  const permits = new SharedPermits(settings, { shared, ...options })
  return service.ownRate ? new OwnRatePermits(permits, service.ownRate, settings, options) : permits
}

/** @throws ForebayError UNSUPPORTED, as `choosePermits`. */
export function checkRate({ shared, service }: Sharing, settings: FlowSettings, scope: Scope): void {
  const { backend, ownRate } = service
  const perSecond = startsPerSecond(settings.limits)
  if (ownRate && perSecond > ownRate.mostPerSecond && perSecond < Number.POSITIVE_INFINITY) {
    const message = `The ${backend} backend delivers at most ${ownRate.mostPerSecond} tasks a second: lower the rate, or use sqlite, postgres or redis.`
    throw new ForebayError('UNSUPPORTED', message, { path: 'rate' })
  }
  if (scope === 'process' || shared || isUnlimited(settings)) return
  const message =
    `The ${backend} backend can't keep one rate over all consumers of the queue. ${ADD_A_COORDINATOR}, ` +
    'or say rate.scope "process" if there is only one consumer.'
  throw new ForebayError('UNSUPPORTED', message, { path: 'rate.scope' })
}
