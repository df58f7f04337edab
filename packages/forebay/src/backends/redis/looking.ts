/** Depth and find. */

import type { DeadReason, TaskId } from '../../task.ts'
import type { Depth, FoundTask } from '../queue-service.ts'
import { type RunScript, script } from './script.ts'
import { DEPTH_SCRIPT } from './scripts/depth-script.ts'
import { FIND_SCRIPT } from './scripts/find-script.ts'
import { storedTask } from './task-body.ts'

const DEPTH = script(DEPTH_SCRIPT)
const FIND = script(FIND_SCRIPT)

const IDS_AT_ONCE = 500

export async function depth(run: RunScript): Promise<Depth> {
  for (;;) {
    const [more, ...counted] = (await run(DEPTH, [])) as number[]
    // Very much fell due at once: a script makes only so much of it ready.
    if (more === 1) continue
    const [ready, delayed, inFlight, dead, oldest, bytes, accepted, completed, expired, dropped] = counted as Counted
    return {
      ready,
      delayed,
      inFlight,
      dead,
      oldestReadyAgeMs: oldest / 1_000,
      bytes,
      totals: { accepted, completed, expired, dropped },
    }
  }
}

type Counted = [number, number, number, number, number, number, number, number, number, number]

type Found =
  | readonly []
  | readonly [place: number, attempts: number, createdAt: number, failures: string, body: string, ...Death]
  | readonly [place: 4, completedAt: number, result: string]

type Death = readonly [] | readonly [reason: DeadReason, deadAt: number]

const PLACES = ['ready', 'delayed', 'inFlight'] as const

export async function find(run: RunScript, ids: readonly TaskId[]): Promise<(FoundTask | undefined)[]> {
  const found: (FoundTask | undefined)[] = []
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    const part = ids.slice(at, at + IDS_AT_ONCE)
    const replies = (await run(FIND, part)) as readonly Found[]
    replies.forEach((reply, index) => found.push(foundOf(part[index] as TaskId, reply)))
  }
  return found
}

function foundOf(id: TaskId, reply: Found): FoundTask | undefined {
  if (reply.length === 0) return undefined
  if (reply.length === 3) return { state: 'completed', id, completedAt: reply[1], result: reply[2] }
  const [place, attempts, createdAt, failures, body, reason, deadAt] = reply
  const task = storedTask(body, { id, attempts, createdAt, failures })
  if (reason !== undefined && deadAt !== undefined) return { state: 'dead', task, reason, deadAt }
  return { state: PLACES[place] ?? 'ready', task }
}
