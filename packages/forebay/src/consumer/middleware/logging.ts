/**
 * One line of log for each attempt, when it ends: what it was, how long it took, how it ended. Fields first, then a short
 * message, as pino, bunyan and Fastify's logger take them.
 *
 * The payload, the result and the headers are never in it; nor is the error itself, since clients hang the request that
 * failed on their errors. The words of an error or a reason are: who writes them decides what they give away.
 */

import type { Clock } from '../../clock.ts'
import { withAbortGrace } from '../abort-grace.ts'
import type { AnyMiddleware } from './compose.ts'
import { tellReturned, tellThrown, type Told } from './told.ts'

type Log = (fields: object, message: string) => void

/** What is needed of a logger. */
export interface TaskLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Completed and released are `info`, retried and failed `warn`, dead `error`. */
const LEVELS = {
  completed: 'info',
  released: 'info',
  retried: 'warn',
  failed: 'warn',
  dead: 'error',
} as const satisfies Record<Told['outcome'], keyof TaskLogger>

export function logging(logger: TaskLogger): AnyMiddleware {
  return (next, { queue, clock }) =>
    async (task, context) => {
      const startedAt = clock.monotonic()
      const { id, type } = task
      const about = { queue, taskId: id, taskType: type, attempt: context.attempt }
      const tell = (told: Told) => {
        const fields = { ...about, durationMs: since(startedAt, clock), ...told }
        logOrThrowApart(
          (...line) => logger[LEVELS[told.outcome]](...line),
          fields,
          `task ${told.outcome}${told.errorType === undefined ? '' : `: ${told.errorType}`}`,
        )
      }
      try {
        // A handler that never ends is told of as well, when its slot is taken back.
        const returned = await withAbortGrace(clock, context.signal, async () => next(task, context))
        tell(tellReturned(returned))
        return returned
      } catch (thrown) {
        tell(tellThrown(thrown))
        throw thrown
      }
    }
}

function since(startedAt: number, clock: Clock): number {
  return Math.round((clock.monotonic() - startedAt) * 1_000) / 1_000
}

/** A logger that throws is its owner's to see, and must not turn a task that is done into one that failed. */
function logOrThrowApart(log: Log, fields: object, message: string): void {
  try {
    log(fields, message)
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown
    })
  }
}
