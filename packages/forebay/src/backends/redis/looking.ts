/** Depth and find. */

import type { DeadReason, TaskId } from '../../task.ts'
import { aheadOf } from '../ahead.ts'
import type { Depth, FoundTask, Newcomer } from '../queue-service.ts'
import { readSaid } from './ahead.ts'
import { type Argument, type RunScript, script } from './script.ts'
import { DEPTH_SCRIPT } from './scripts/depth-script.ts'
import { FIND_SCRIPT } from './scripts/find-script.ts'
import { storedTask } from './task-body.ts'

const DEPTH = script(DEPTH_SCRIPT)
const FIND = script(FIND_SCRIPT)

const IDS_AT_ONCE = 500

export async function depth(run: RunScript, newcomer?: Newcomer): Promise<Depth> {
  const hasLine = newcomer?.key !== undefined && newcomer.weight !== undefined
  const of = newcomer ? [hasLine ? newcomer.key : '', newcomer.weight ?? 0, newcomer.priority] : []
  for (;;) {
    const [more, ...counted] = (await run(DEPTH, of as Argument[])) as number[]
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
      ...(newcomer && { ahead: aheadOf(readSaid(counted.slice(10).map(String), hasLine), newcomer.priority) }),
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
