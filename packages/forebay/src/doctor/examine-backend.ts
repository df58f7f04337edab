/** Looks at a queue where its tasks are: at its backend, twice, with the time of the watch between. It changes nothing. */

import { existsSync } from 'node:fs'
import type { DeadLetter, Depth, Totals } from '../backends/queue-service.ts'
import { type Clock, sleep } from '../clock.ts'
import { ForebayError } from '../errors.ts'
import { LoadLevelingQueue } from '../queue/load-leveling-queue.ts'
import type { DeadLetterSeen, FlowSeen, QueueSnapshot } from './snapshot.ts'

export interface Watch {
  /** How long the rates are watched, milliseconds. */
  readonly watchMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal
}

/** So many dead letters are read, the oldest. */
export const LETTERS_READ = 200

/** @throws ForebayError INVALID_URL, MISSING_PACKAGE or what the backend says. */
export async function examineBackend(
  where: string,
  name: string,
  { watchMs, clock, signal }: Watch,
): Promise<QueueSnapshot> {
  checkThatItIsThere(where)
  const queue = await LoadLevelingQueue.open(where, { name, clock })
  try {
    const began = clock.monotonic()
    const before = await queue.depth()
    await sleep(clock, watchMs, signal)
    const depth = await queue.depth()
    const watchedMs = clock.monotonic() - began
    const letters = await queue.dead.list({ limit: LETTERS_READ })
    return {
      name,
      watchedMs,
      depth,
      depthBefore: before,
      flow: flowBetween(before, depth, watchedMs),
      consumer: undefined,
      serviceP99Ms: undefined,
      leasesLost: undefined,
      deadLetters: letters.items.map(letterOf),
      keys: [],
      clock: undefined,
    }
  } finally {
    await queue.close()
  }
}

/** To open a file that is not there would make it. */
function checkThatItIsThere(where: string): void {
  if (where.startsWith('memory:')) {
    const message = `${where} is the memory of this process, which is empty: give the address of the gateway whose memory you mean.`
    throw new ForebayError('INVALID_URL', message)
  }
  const file = /^sqlite:(?:\/\/)?([^?]+)/.exec(where)?.[1]
  if (file === undefined || existsSync(file)) return
  throw new ForebayError('INVALID_URL', `There is no file ${file}, so there is no queue in it. Nothing was made.`)
}

function flowBetween(before: Depth, after: Depth, watchedMs: number): FlowSeen {
  const perSecond = (count: number) => Math.max(0, (count * 1_000) / watchedMs)
  const [first, last] = [before.totals, after.totals]
  const unknown = { started: undefined, retried: undefined, refused: undefined }
  if (!first || !last) return { arrived: undefined, ended: undefined, ...unknown }
  const ends = (totals: Totals, { dead }: Depth) => totals.completed + totals.expired + totals.dropped + dead
  return {
    arrived: perSecond(last.accepted - first.accepted),
    ended: perSecond(ends(last, after) - ends(first, before)),
    ...unknown,
  }
}

function letterOf({ task, reason, deadAt }: DeadLetter): DeadLetterSeen {
  const { id, type, key, failures } = task
  return { id, type, ...(key !== undefined && { key }), reason, deadAt, failures }
}
