/** One task at a time, by the port. */

import type { Claim, NewTask, QueueService, Settlement } from '../../../packages/forebay/src/backends/queue-service.ts'

let tasks = 0

export function task(fields: Partial<NewTask> = {}): NewTask {
  return { id: `t${++tasks}`, type: 'charge', payload: '{"order":42}', priority: 0, delayMs: 0, ...fields }
}

export function ids(items: readonly { readonly id: string }[]): string[] {
  return items.map(({ id }) => id).sort()
}

export function claimNow(queue: QueueService, max = 100, leaseMs = 60_000): Promise<Claim[]> {
  return queue.claim({ max, leaseMs, waitMs: 0 })
}

/** Claims the one task that must be ready. */
export async function claimOne(queue: QueueService, leaseMs = 60_000): Promise<Claim> {
  const [claim, ...more] = await claimNow(queue, 10, leaseMs)
  if (!claim || more.length > 0) throw new Error(`One task was to be ready, ${claim ? 1 + more.length : 0} were.`)
  return claim
}

type Without<Union> = Union extends unknown ? Omit<Union, 'claim'> : never

/** Settles one claim; answers its status. */
export async function settle(queue: QueueService, claim: Claim, how: Without<Settlement>): Promise<string> {
  const [result] = await queue.settle([{ claim, ...how } as Settlement])
  return result?.status ?? 'not answered'
}
