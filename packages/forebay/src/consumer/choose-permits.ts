/** Which permits a consumer starts by: of its own, or of the rate that all consumers of the queue share. */

import { ForebayError } from '../errors.ts'
import type { FlowSettings } from '../flow/flow-limits.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
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
  const { shared } = queue
  return scope === 'queue' && shared ? new SharedPermits(settings, { shared, ...options }) : new OwnPermits(settings)
}

/** @throws ForebayError UNSUPPORTED, as `choosePermits`. */
export function checkRate({ shared, service }: Sharing, settings: FlowSettings, scope: Scope): void {
  if (scope === 'process' || shared || isUnlimited(settings)) return
  const message =
    `The ${service.backend} backend can't keep one rate over all consumers of the queue. ${ADD_A_COORDINATOR}, ` +
    'or say rate.scope "process" if there is only one consumer.'
  throw new ForebayError('UNSUPPORTED', message, { path: 'rate.scope' })
}
