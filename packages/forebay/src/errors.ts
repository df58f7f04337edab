/**
 * Errors: one class, a closed set of codes, and one registry that says for each code what it means to a program (HTTP
 * status, exit code) and to a person (what to do). The message of an error says what happened and what was kept.
 */

interface CodeEntry {
  /** The HTTP status with which the gateway answers. */
  readonly status: number
  /** The exit code of the command: 1 failed, 2 wrong use or configuration, 3 a backend or file could not be used. */
  readonly exit: 1 | 2 | 3
  /** One sentence: what to do about it. */
  readonly todo: string
}

export const ERROR_CODES = {
  // Refused at the door
  QUEUE_FULL: { status: 429, exit: 1, todo: 'Send it again after the time in Retry-After; nothing of it was stored.' },
  TOO_LATE: {
    status: 429,
    exit: 1,
    todo: 'Send it again after the time in Retry-After, or with a longer ttlMs; nothing of it was stored.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    exit: 1,
    todo: 'Send less, or store the data elsewhere and queue a reference to it.',
  },
  INVALID_TASK: { status: 400, exit: 2, todo: 'Correct the field that the message names and send it again.' },
  INVALID_PAYLOAD: { status: 422, exit: 2, todo: 'Correct the payload at the path that the message names.' },
  INVALID_JSON: { status: 400, exit: 2, todo: 'Send well-formed JSON; the message says where it breaks.' },
  INVALID_REQUEST: { status: 400, exit: 2, todo: 'Correct the request as the message says; nothing of it was stored.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, exit: 2, todo: 'Send application/json or application/x-ndjson.' },
  UNKNOWN_QUEUE: { status: 404, exit: 2, todo: 'Use one of the configured queues, or add it to the configuration.' },
  UNKNOWN_TASK: {
    status: 404,
    exit: 1,
    todo: 'Check the id; a finished task is remembered only for the configured time.',
  },
  UNKNOWN_TASK_TYPE: { status: 422, exit: 2, todo: 'Use a task type that the queue defines, or define this one.' },
  NOT_FOUND: { status: 404, exit: 2, todo: 'See /openapi.json for the paths that this gateway answers.' },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, todo: 'See /openapi.json for the methods of this path.' },
  UNAUTHORIZED: { status: 401, exit: 2, todo: 'Send one of the configured tokens as Authorization: Bearer.' },
  FORBIDDEN_ORIGIN: {
    status: 403,
    exit: 2,
    todo: 'Call the gateway from a server or its own page, not from another site.',
  },
  TOO_BUSY: { status: 503, exit: 1, todo: 'Try again after the time in Retry-After.' },
  DEDUP_CONFLICT: { status: 409, exit: 1, todo: 'Use a new dedup id for a different task.' },

  // While a task runs
  LEASE_LOST: {
    status: 409,
    exit: 1,
    todo: 'Do nothing: another consumer has the task. Longer leases make this rarer.',
  },
  TASK_TIMEOUT: { status: 504, exit: 1, todo: 'Raise timeoutMs, or make the handler obey its signal.' },
  TARGET_REFUSED: {
    status: 502,
    exit: 2,
    todo: 'Add the address to allowPrivateTargets if it is meant to be reached.',
  },
  TARGET_FAILED: {
    status: 502,
    exit: 1,
    todo: 'See what the target answered: the message or the dead letter says it.',
  },
  TASK_EXPIRED: { status: 504, exit: 1, todo: 'Send it again with a longer ttlMs, or without one; it never ran.' },

  // Configuration and use
  INVALID_CONFIG: { status: 500, exit: 2, todo: 'Correct the line that the message names.' },
  INVALID_OPTION: { status: 500, exit: 2, todo: 'Correct the option that the message names.' },
  INVALID_URL: { status: 500, exit: 2, todo: 'Write a backend URL such as sqlite:orders.db or memory:.' },
  INVALID_TRACE: { status: 500, exit: 2, todo: 'Give a CSV with "second,requests" or with a timestamp column.' },
  UNSUPPORTED: { status: 501, exit: 2, todo: 'Use a backend that can, or do without; the message names both.' },
  MISSING_PACKAGE: { status: 500, exit: 2, todo: 'Install the package that the message names.' },
  NODE_TOO_OLD: { status: 500, exit: 2, todo: 'Run it on Node 22 or later.' },
  NOT_CONFORMING: {
    status: 500,
    exit: 1,
    todo: 'See the failed checks: the server is configured differently, or the backend has a fault.',
  },
  ADDRESS_IN_USE: { status: 500, exit: 3, todo: 'Stop the other process or choose another port.' },

  // The engine behind the queue
  QUEUE_CLOSED: { status: 503, exit: 1, todo: 'Open the queue again; what was acknowledged is kept.' },
  BACKEND_UNAVAILABLE: { status: 503, exit: 3, todo: 'Try again; what was acknowledged is kept.' },
  BACKEND_LOCKED: { status: 503, exit: 3, todo: 'End the process that holds the file, then try again.' },
  BACKEND_CORRUPT: { status: 503, exit: 3, todo: 'Restore the file from a backup, or start with a new one.' },
  DISK_FULL: { status: 507, exit: 3, todo: 'Free space; the queue goes on by itself. What was acknowledged is kept.' },
  INTERNAL: { status: 500, exit: 1, todo: 'Report it with the message; what was acknowledged is kept.' },
} as const satisfies Record<string, CodeEntry>

export type ErrorCode = keyof typeof ERROR_CODES

/** What an error may carry for programs, besides its code. */
export interface ErrorDetails {
  /** Try again after this many milliseconds. */
  readonly retryAfterMs?: number
  /** Where in the input the fault lies, for example `payload.order`. */
  readonly path?: string
  readonly cause?: unknown
}

export class ForebayError extends Error {
  override readonly name = 'ForebayError'
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined
  readonly path: string | undefined

  /** @param message What happened and what was kept, in a sentence. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryAfterMs = details.retryAfterMs
    this.path = details.path
  }

  get status(): number {
    return ERROR_CODES[this.code].status
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit
  }

  /** What to do about it, in a sentence. */
  get todo(): string {
    return ERROR_CODES[this.code].todo
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** Makes sure that what leaves the house is one of ours: anything else becomes `INTERNAL`, with the cause kept. */
export function asForebayError(thrown: unknown, code: ErrorCode = 'INTERNAL'): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  return new ForebayError(code, messageOf(thrown), { cause: thrown })
}
