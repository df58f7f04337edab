/** What can be asked of a queue: how full it is, and what has become of a task. */

import type { TaskId } from '../../task.ts'
import type { Depth, FoundTask } from '../queue-service.ts'
import type { Counts } from './counts.ts'
import type { Store } from './store.ts'
import { readyAtOf, storedTaskOf, type Version } from './task-record.ts'
import { inWindows } from './windows.ts'

/** So many versions are looked at for one that is ready. */
const LOOKS = 8

export async function depth(store: Store): Promise<Depth> {
  const counts = await store.counts()
  const { ready, delayed, inFlight, dead } = counts
  const oldestReadyAgeMs = ready === 0 ? 0 : await oldestAge(store, counts)
  return { ready, delayed, inFlight, dead, oldestReadyAgeMs, bytes: undefined, totals: undefined }
}

/** Of the first one that nobody was handed; those that came back wait for nothing. */
async function oldestAge(store: Store, { nextReady }: Counts): Promise<number | undefined> {
  let version = await store.nextVersion(nextReady)
  for (let looks = 1; version && version.record.kind !== 'ready' && looks < LOOKS; looks++) {
    version = await store.nextVersion(version.sequence + 1)
  }
  if (version?.record.kind !== 'ready') return undefined
  const { now } = await store.time.now()
  return Math.max(0, now - readyAtOf(version))
}

export async function find(store: Store, ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
  const found = new Map<TaskId, FoundTask | undefined>()
  await inWindows(
    [...new Set(ids)],
    () => 1,
    async (id) => {
      const version = await store.lastVersion(id)
      found.set(id, version ? await stateOf(store, version) : await store.results.find(id))
    },
  )
  return ids.map((id) => found.get(id))
}

async function stateOf(store: Store, version: Version): Promise<FoundTask> {
  const { kind, attempts, reason = 'refused' } = version.record
  if (kind === 'dead') {
    return { state: 'dead', task: storedTaskOf(version, attempts), reason, deadAt: Math.ceil(version.storedAt) }
  }
  const { now } = await store.time.now()
  const grant = kind === 'ready' ? await store.grantOf(version.sequence) : undefined
  if (grant && grant.storedAt + grant.leaseMs > now) {
    return { state: 'inFlight', task: storedTaskOf(version, attempts + 1) }
  }
  // A grant that is over has counted.
  const task = storedTaskOf(version, grant ? attempts + 1 : attempts)
  return { state: kind === 'delayed' && readyAtOf(version) > now ? 'delayed' : 'ready', task }
}
