/**
 * The queue's own settings, brought into agreement with what Forebay levels: so many starts a second, so many at once. They
 * are the outer bound over all processes; when each task starts is the consumers' to decide. Attempts are not Cloud Tasks'
 * to end: what has had no answer is delivered again without an end, by its backoff.
 */

import { ForebayError } from '../../errors.ts'
import type { CloudQueue, Queue } from './cloud-queue.ts'

export interface Level {
  /** Dispatches a second, at most 500. Undefined: as it is. */
  readonly perSecond?: number | undefined
  /** Deliveries under way at once, over all processes, at most 5,000. Undefined: as it is. */
  readonly concurrency?: number | undefined
}

/** What is in force at Cloud Tasks. */
export interface InForce {
  readonly perSecond: number
  /** So many may be dispatched at one moment; Cloud Tasks derives it from the rate. */
  readonly burst: number
  readonly concurrency: number
  readonly paused: boolean
}

export const MOST_PER_SECOND = 500
const MOST_AT_ONCE = 5_000

/** Only for deliveries without an answer of ours: a retry is a task of its own, with a time of its own. */
const RETRY = {
  maxAttempts: -1,
  maxRetryDuration: { seconds: 0 },
  minBackoff: { seconds: 1 },
  maxBackoff: { seconds: 60 },
  maxDoublings: 6,
} as const

/** @throws ForebayError `UNSUPPORTED`, `INVALID_OPTION` */
export function checkLevel({ perSecond, concurrency }: Level): void {
  if (perSecond !== undefined && !(perSecond > 0)) throw invalid('rate', 'a number above 0')
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency > 0)) {
    throw invalid('concurrency', 'a whole number above 0')
  }
  if ((perSecond ?? 0) > MOST_PER_SECOND) throw beyond('rate', `${MOST_PER_SECOND} tasks a second`)
  if ((concurrency ?? 0) > MOST_AT_ONCE) throw beyond('concurrency', `${MOST_AT_ONCE} tasks at once`)
}

/** Makes the queue if it is missing, and changes what differs. @param manage Whether it may; if not, it must be there. */
export async function ensure(queue: CloudQueue, level: Level, manage: boolean): Promise<InForce> {
  checkLevel(level)
  const rateLimits = limitsOf(level)
  const there = await queue.get()
  if (!there) {
    if (!manage) throw missing(queue)
    return inForce(await queue.make({ rateLimits, retryConfig: RETRY }))
  }
  if (!manage) return inForce(there)
  const paths = differing(there, level)
  return inForce(paths.length > 0 ? await queue.change({ rateLimits, retryConfig: RETRY }, paths) : there)
}

/** The queue of the dead letters: nothing of it may ever be dispatched. */
export async function ensurePaused(queue: CloudQueue, manage: boolean): Promise<void> {
  const there = await queue.get()
  if (!there && !manage) throw missing(queue)
  const { state } = there ?? (await queue.make({}))
  if (state === 'PAUSED') return
  if (!manage) {
    const message = `The queue "${queue.path}" must be paused, and it is not to be changed (manage=false). Pause it, or its dead letters would be delivered.`
    throw new ForebayError('INVALID_OPTION', message, { path: 'manage' })
  }
  await queue.pause()
}

function limitsOf({ perSecond, concurrency }: Level) {
  return {
    ...(perSecond !== undefined && { maxDispatchesPerSecond: perSecond }),
    ...(concurrency !== undefined && { maxConcurrentDispatches: concurrency }),
  }
}

function differing({ rateLimits, retryConfig }: Queue, { perSecond, concurrency }: Level): string[] {
  const paths: string[] = []
  if (perSecond !== undefined && rateLimits?.maxDispatchesPerSecond !== perSecond) {
    paths.push('rate_limits.max_dispatches_per_second')
  }
  if (concurrency !== undefined && rateLimits?.maxConcurrentDispatches !== concurrency) {
    paths.push('rate_limits.max_concurrent_dispatches')
  }
  const { maxAttempts, maxRetryDuration, minBackoff, maxBackoff, maxDoublings } = retryConfig ?? {}
  const isOurs =
    maxAttempts === RETRY.maxAttempts &&
    maxDoublings === RETRY.maxDoublings &&
    Number(maxRetryDuration?.seconds ?? 0) === 0 &&
    Number(minBackoff?.seconds ?? 0) === RETRY.minBackoff.seconds &&
    Number(maxBackoff?.seconds ?? 0) === RETRY.maxBackoff.seconds
  return isOurs ? paths : [...paths, 'retry_config']
}

function inForce({ rateLimits, state }: Queue): InForce {
  return {
    perSecond: rateLimits?.maxDispatchesPerSecond ?? 0,
    burst: rateLimits?.maxBurstSize ?? 0,
    concurrency: rateLimits?.maxConcurrentDispatches ?? 0,
    paused: state === 'PAUSED',
  }
}

function missing({ path }: CloudQueue): ForebayError {
  return new ForebayError('UNKNOWN_QUEUE', `There is no queue "${path}", and it is not to be made (manage=false).`)
}

function invalid(path: string, what: string): ForebayError {
  return new ForebayError('INVALID_OPTION', `${path} is ${what}.`, { path })
}

function beyond(path: string, what: string): ForebayError {
  const message = `A queue of Cloud Tasks dispatches at most ${what}: lower ${path}, or use sqlite, postgres or redis. Nothing was changed.`
  return new ForebayError('UNSUPPORTED', message, { path })
}
