/** Removes queues that were made for a test, on the engines on which that is one plain act of ours. */

import { systemClock } from '../clock.ts'
import { systemRandom } from '../random.ts'

type Remove = (url: string, queues: readonly string[]) => Promise<void>

const redis: Remove = async (url, queues) => {
  const { removeRedisQueues } = await import('./redis/removing.ts')
  return removeRedisQueues(url, queues, { clock: systemClock, random: systemRandom })
}

const REMOVES: Readonly<Record<string, Remove>> = {
  // Is gone with its process.
  memory: () => Promise.resolve(),
  redis,
  rediss: redis,
}

/**
 * @returns Whether they are gone; false: there is no way to remove queues of that backend.
 * @throws ForebayError what kept them from being removed.
 */
export async function removeQueues(url: string, queues: readonly string[]): Promise<boolean> {
  const scheme = url.slice(0, url.indexOf(':'))
  const remove = Object.hasOwn(REMOVES, scheme) ? REMOVES[scheme] : undefined
  await remove?.(url, queues)
  return remove !== undefined
}
