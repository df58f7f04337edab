/** Whether a consumer needs slots of a limit that all consumers of the queue keep together. */

import { ForebayError } from '../errors.ts'
import type { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import { ADD_A_COORDINATOR } from './choose-permits.ts'
import type { Limits } from './options.ts'
import { Slots, type SlotsOptions } from './slots.ts'

/**
 * The slots for these limits; what was used so far goes on where it can.
 * @throws ForebayError UNSUPPORTED if backend and coordinator cannot keep what is asked for; then nothing has changed.
 */
export function chooseSlots(
  { shared, service }: Pick<LoadLevelingQueue, 'shared' | 'service'>,
  before: Slots | undefined,
  { concurrency, concurrencyScope, perKey }: Limits,
  options: Omit<SlotsOptions, 'shared'>,
): Slots | undefined {
  const { backend, capabilities } = service
  if (perKey && !capabilities.keyLimits) {
    const message = `The ${backend} backend can't keep limits for each key; sqlite, postgres and redis can.`
    throw new ForebayError('UNSUPPORTED', message, { path: 'perKey' })
  }
  if (concurrencyScope === 'process') {
    void before?.leave()
    return undefined
  }
  if (!shared) {
    const message =
      `The ${backend} backend can't keep one limit over all consumers of the queue. ${ADD_A_COORDINATOR}, ` +
      `or say concurrency: ${concurrency} for this consumer alone.`
    throw new ForebayError('UNSUPPORTED', message, { path: 'concurrency.scope' })
  }
  before?.change(concurrency)
  return before ?? new Slots(concurrency, { shared, ...options })
}
