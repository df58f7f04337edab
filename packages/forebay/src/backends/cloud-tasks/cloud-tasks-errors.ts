/** Google's errors (gRPC's codes) in our words. */

import { ForebayError, messageOf } from '../../errors.ts'

export const STATUS = {
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

const NAMES = new Map(
  Object.entries(STATUS).map(([name, code]) => [code as number, name.replace(/[A-Z]/g, '_$&').toUpperCase()]),
)

/** Ask again after so long, if the service does not say. */
const EXHAUSTED_MS = 1_000

interface GrpcError {
  readonly code?: number
  readonly details?: string
  /** What the service adds, as the library has decoded it. */
  readonly statusDetails?: readonly { readonly retryDelay?: Span | null }[]
}

interface Span {
  readonly seconds?: number | string | null
  readonly nanos?: number | null
}

export function codeOf(thrown: unknown): number | undefined {
  const { code } = (thrown ?? {}) as GrpcError
  return typeof code === 'number' ? code : undefined
}

/** How long the service asks us to wait; undefined if it does not. */
export function askedPauseMs(thrown: unknown): number | undefined {
  const { statusDetails } = (thrown ?? {}) as GrpcError
  const delay = Array.isArray(statusDetails)
    ? statusDetails.find((detail) => detail?.retryDelay)?.retryDelay
    : undefined
  return delay ? Number(delay.seconds ?? 0) * 1_000 + Number(delay.nanos ?? 0) / 1e6 : undefined
}

/** It was surely not done, and may be done when it is asked for later. */
export function isRefusedForNow(thrown: unknown): boolean {
  return codeOf(thrown) === STATUS.resourceExhausted
}

/** Nobody knows whether it was done. */
export function isUncertain(thrown: unknown): boolean {
  const { unavailable, deadlineExceeded, internal, unknown, aborted } = STATUS
  const code = codeOf(thrown)
  return code !== undefined && [unavailable, deadlineExceeded, internal, unknown, aborted].some((it) => it === code)
}

/** @param kept What is so all the same. */
export function fromCloudTasks(thrown: unknown, kept: string): ForebayError {
  if (thrown instanceof ForebayError) return thrown
  const code = codeOf(thrown)
  const what = (thrown as GrpcError)?.details || messageOf(thrown)
  const said = `${code === undefined ? '' : `${NAMES.get(code) ?? code}: `}${what}`.replace(/[.\s]+$/, '')
  const details = { cause: thrown }
  if (isRefusedForNow(thrown)) {
    const retryAfterMs = askedPauseMs(thrown) ?? EXHAUSTED_MS
    const message = `Cloud Tasks asks to go slower (${said}); ${kept}`
    return new ForebayError('BACKEND_UNAVAILABLE', message, { ...details, retryAfterMs })
  }
  if (isUncertain(thrown)) {
    return new ForebayError('BACKEND_UNAVAILABLE', `Cloud Tasks could not be asked (${said}); ${kept}`, details)
  }
  if (code === STATUS.permissionDenied || code === STATUS.unauthenticated || /credentials/i.test(what)) {
    return new ForebayError('BACKEND_UNAVAILABLE', `Cloud Tasks refuses us (${said}); ${kept}`, details)
  }
  if (code === STATUS.notFound) {
    return new ForebayError('UNKNOWN_QUEUE', `Cloud Tasks has no such queue (${said}); ${kept}`, details)
  }
  if (code === STATUS.invalidArgument && /size|too large|larger|exceeds/i.test(what)) {
    return new ForebayError('PAYLOAD_TOO_LARGE', `Cloud Tasks does not take the task (${said}); ${kept}`, details)
  }
  return new ForebayError('INTERNAL', `Cloud Tasks refused (${said}); ${kept}`, details)
}
