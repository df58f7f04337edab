/** Stores new tasks, so many in a script that no other client of the server waits long for it. */

import { createHash } from 'node:crypto'
import type { Bounds, NewTask, PushResult } from '../queue-service.ts'
import { type RunScript, script, toMicros } from './script.ts'
import { PUSH_SCRIPT } from './scripts/push-script.ts'
import { bodyOf } from './task-body.ts'

const PUSH = script(PUSH_SCRIPT)

const TASKS_AT_ONCE = 500
const BYTES_AT_ONCE = 4 * 1024 * 1024

type Reply = readonly [] | readonly [code: number, ...ids: string[]]

export async function push(run: RunScript, tasks: readonly NewTask[], bounds: Bounds): Promise<PushResult[]> {
  const results: PushResult[] = []
  const { maxDepth = Infinity, maxBytes = Infinity, overflow = 'reject' } = bounds
  const limits = [maxDepth, maxBytes].map((bound) => (bound === Infinity ? -1 : bound))
  for (let at = 0; at < tasks.length; at = results.length) {
    const part = partFrom(tasks, at)
    const order = JSON.stringify([...limits, overflow, part.map(row)])
    const replies = (await run(PUSH, [order, ...part.map(bodyOf)])) as readonly Reply[]
    replies.forEach((reply, index) => results.push(resultOf(reply, part[index] as NewTask)))
  }
  return results
}

/** As many as fit, but at least one. */
function partFrom(tasks: readonly NewTask[], start: number): readonly NewTask[] {
  let end = start
  for (let bytes = 0; end < tasks.length && end - start < TASKS_AT_ONCE; end++) {
    bytes += (tasks[end] as NewTask).payload.length
    if (bytes > BYTES_AT_ONCE && end > start) break
  }
  return start === 0 && end === tasks.length ? tasks : tasks.slice(start, end)
}

/** As the script reads it; most tasks are nothing but an id and a size, so what is usual at the end is left out. */
function row(task: NewTask): (string | number)[] {
  const { id, payload, priority, delayMs, ttlMs, cost = 1, key, ordered, weight = 0, dedup } = task
  const bytes = Buffer.byteLength(payload)
  if (
    key === undefined &&
    dedup === undefined &&
    priority === 0 &&
    delayMs === 0 &&
    ttlMs === undefined &&
    cost === 1
  ) {
    return [id, bytes]
  }
  const due = [priority, toMicros(delayMs), ttlMs === undefined ? 0 : toMicros(ttlMs)]
  const line = [cost, key ?? '', ordered ? 1 : 0, weight]
  return [id, bytes, ...due, ...line, ...(dedup ? [dedup.id, printOf(task), toMicros(dedup.windowMs)] : [])]
}

function resultOf([code, ...ids]: Reply, { id }: NewTask): PushResult {
  switch (code) {
    case undefined:
      return { status: 'accepted', id }
    case 0:
      return { status: 'duplicate', id: ids[0] as string }
    case 1:
      return { status: 'conflict', id: ids[0] as string }
    default:
      return { status: 'full', bound: code === 2 ? 'depth' : 'bytes' }
  }
}

/** Tells one task's type and payload from another's. */
function printOf({ type, payload }: NewTask): string {
  return createHash('sha256').update(JSON.stringify(type)).update(payload).digest('base64url')
}
