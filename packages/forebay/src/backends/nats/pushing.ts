/** Pushes: dedup ids first, then the tasks, all in their order and many under way at once. */

import type { Bounds, NewTask, PushResult } from '../queue-service.ts'
import { JetStreamError } from './nats-errors.ts'
import type { Deduped, DedupRef } from './dedup.ts'
import type { Store } from './store.ts'
import { recordOf, type TaskRecord } from './task-record.ts'
import { inWindows } from './windows.ts'

/** A task and what stands in its way, if anything does. */
interface Candidate {
  readonly task: NewTask
  record?: TaskRecord
  ref?: DedupRef
  result?: PushResult
}

/** @throws what keeps a task from being stored; then others of the batch may have been. */
export async function push(store: Store, tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
  const results: PushResult[] = []
  for (const batch of distinctDedupIds(tasks)) results.push(...(await pushBatch(store, batch, bounds)))
  return results
}

/** Splits where a dedup id comes again, so that the second one meets the first one's task. */
function distinctDedupIds(tasks: readonly NewTask[]): NewTask[][] {
  const batches: NewTask[][] = []
  let seen = new Set<string>()
  for (const task of tasks) {
    const id = task.dedup?.id
    if (batches.length === 0 || (id !== undefined && seen.has(id))) {
      batches.push([])
      seen = new Set()
    }
    if (id !== undefined) seen.add(id)
    batches.at(-1)?.push(task)
  }
  return batches
}

async function pushBatch(store: Store, tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
  const candidates: Candidate[] = tasks.map((task) => ({ task }))
  await refuseBeyond(store, candidates, bounds)
  const free = candidates.filter(({ result }) => !result)
  await inWindows(free, sizeOf, (candidate) => reserve(store, candidate))
  const coming = free.filter(({ result }) => !result)
  await inWindows(coming, sizeOf, (candidate) => begin(store, candidate))
  return candidates.map(({ result }) => result as PushResult)
}

function sizeOf({ task }: Candidate): number {
  return task.payload.length
}

function isDeduped(task: NewTask): task is Deduped {
  return task.dedup !== undefined
}

/** By a count of this moment: what others push at the same time is not in it. */
async function refuseBeyond(
  store: Store,
  candidates: readonly Candidate[],
  { maxDepth, maxBytes }: Bounds,
): Promise<void> {
  if (maxDepth === undefined && maxBytes === undefined) return
  const counts = await store.counts()
  let left = (maxDepth ?? Number.POSITIVE_INFINITY) - counts.live
  let leftBytes = (maxBytes ?? Number.POSITIVE_INFINITY) - counts.bytes
  const refused: Candidate[] = []
  for (const candidate of candidates) {
    const bytes = Buffer.byteLength(candidate.task.payload)
    if (left < 1) candidate.result = { status: 'full', bound: 'depth' }
    else if (leftBytes < bytes) candidate.result = { status: 'full', bound: 'bytes' }
    if (candidate.result) refused.push(candidate)
    else {
      left -= 1
      leftBytes -= bytes
    }
  }
  await inWindows(refused, sizeOf, async (candidate) => {
    const { task } = candidate
    const found = isDeduped(task) ? await store.dedup.find(task) : undefined
    if (found?.kind === 'taken') candidate.result = found.result
    else if (await store.lastVersion(task.id)) candidate.result = { status: 'duplicate', id: task.id }
  })
}

async function reserve(store: Store, candidate: Candidate): Promise<void> {
  const { task } = candidate
  if (!isDeduped(task)) {
    candidate.record = recordOf(task, undefined)
    return
  }
  const reserved = await store.dedup.reserve(task)
  if (reserved.kind === 'taken') {
    candidate.result = reserved.result
    return
  }
  if (reserved.kind === 'first') candidate.ref = reserved.ref
  const id = reserved.kind === 'first' ? task.id : reserved.id
  candidate.record = recordOf({ ...task, id }, reserved.ref)
}

async function begin(store: Store, candidate: Candidate): Promise<void> {
  const { task, ref } = candidate
  const record = candidate.record as TaskRecord
  try {
    const sequence = await store.begin(record)
    if (sequence !== undefined) await store.noteNew(sequence, record)
    // Stored in the stead of one that never came to be, it is that one.
    const accepted = sequence !== undefined && record.id === task.id
    candidate.result = { status: accepted ? 'accepted' : 'duplicate', id: record.id }
    if (sequence === undefined && ref) await store.dedup.release(ref)
  } catch (thrown) {
    const bound = thrown instanceof JetStreamError ? boundOf(thrown.message) : undefined
    if (bound === undefined) throw thrown
    // Somebody gave the stream limits of its own.
    candidate.result = { status: 'full', bound }
    if (ref) await store.dedup.release(ref)
  }
}

function boundOf(description: string): 'depth' | 'bytes' | undefined {
  if (/maximum messages exceeded/.test(description)) return 'depth'
  return /maximum bytes exceeded/.test(description) ? 'bytes' : undefined
}
